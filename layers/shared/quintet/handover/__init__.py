"""The handover room: which of the cells that a phone hears should serve it next."""
