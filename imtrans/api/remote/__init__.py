"""Read parts of files that are elsewhere, through fsspec: S3, Google Cloud Storage, HTTP and more.

Nothing here is imported before an address is read; fsspec comes with the extra `remote`.
"""
