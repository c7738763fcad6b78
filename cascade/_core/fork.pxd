"""What a child of a fork must do before it can go on."""
