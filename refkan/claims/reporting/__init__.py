"""Reports of claims: the HTML page and the JSON record."""
