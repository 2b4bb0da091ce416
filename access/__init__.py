"""Users, roles, masking, audit and approvals."""
