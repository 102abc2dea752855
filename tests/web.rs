//! The pages as a browser and as a program see them.
