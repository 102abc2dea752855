//! Two processes, one organization, many calls at once.
