//! Mail over a real SMTP server that fails at every step.
