"""What is made of a record: tables, targets and the page on speed."""
