"""Where weights come from and how they are read: known names, fetching, and one strict reader."""
