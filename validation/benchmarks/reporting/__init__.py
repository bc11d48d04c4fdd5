"""What is made of a record: tables, figures, targets and the page on speed."""
