"""The room that reads exports of glucose sensors and forecasts the next hour."""
