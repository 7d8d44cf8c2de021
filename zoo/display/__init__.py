"""Numbers as text, tables and bars as HTML, pictures on one page."""
