"""The paper's reported numbers, and measured ones beside them."""
