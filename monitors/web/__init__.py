"""The web page: a few typed endpoints over the feature views, a stream that pushes, and the static page itself.

Reads only, as ClickHouse's read-only user. Nothing here is needed by the pipeline: a slow browser slows nobody.
"""
