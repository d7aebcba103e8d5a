"""Listening tests: a page that raters open, and what their answers say of systems, of metrics and of the raters.

README.md beside this file says how the test is built, what is asked, and how every number is computed.
"""
