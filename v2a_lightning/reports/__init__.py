"""What a person opens: pages, figures and tables made from what runs wrote down."""
