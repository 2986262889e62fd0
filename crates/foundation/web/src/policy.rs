//! Policy rules (oslo.policy language).

/// What a rule may ask about the caller. `auth::Caller` implements it.
pub trait Subject {
    /// The caller's attribute, as a rule names it (`user_id`, `project_id`, `system_scope`, …).
    fn attribute(&self, name: &str) -> Option<&str>;
    /// The caller's roles, implied ones included.
    fn roles(&self) -> &[String];
    /// Roles of the service token that came along.
    fn service_roles(&self) -> &[String];
}
