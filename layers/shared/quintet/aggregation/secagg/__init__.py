"""Secure aggregation: the sum of many owners' vectors, where nobody sees a vector of another's.

Bonawitz et al., Practical Secure Aggregation for Privacy-Preserving Machine Learning (CCS 2017), with the consistency
check against a server that lies about who is still there. Everything here is pure: no network, no clock, and all
randomness is passed in.
"""
