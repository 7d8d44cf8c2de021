"""What commands show: tables, progress, plots and pages."""
