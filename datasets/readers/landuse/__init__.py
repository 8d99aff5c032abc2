"""The readers for UC Merced and DLRSD."""
