import BusAccess

/// Who the client of a session is and what it may do.
struct Standing: Sendable {
    var identity: Identity
    var rights: AccessRights
    /// The route that the client was last found to be allowed to publish on: a client that repeats its topic is not
    /// asked again.
    var permittedRoute: Route?

    static let anyone = Standing(identity: Identity(user: nil, clientIdentifier: "", groups: []), rights: .all)
}
