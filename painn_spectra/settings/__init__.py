"""What a user may set, by part of the workflow; defaults and limits live with each setting."""
