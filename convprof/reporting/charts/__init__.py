"""Charts as plain data: positions in percent of the width and in px of the height, drawn by templates/charts.html."""
