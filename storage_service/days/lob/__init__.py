"""Order-book day files of researchers: ``YYYY-MM-DD/SYMBOL-*.{csv,parquet,feather}``, and trades beside them."""
