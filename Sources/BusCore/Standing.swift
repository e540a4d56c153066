import BusAccess

/// Who the client of a session is and what it may do.
struct Standing: Sendable {
    var identity: Identity
    var rights: AccessRights {
        didSet { self.isUnrestricted = self.rights.allowsEverything }
    }
    /// Asked for every message: the rights themselves are large.
    private(set) var isUnrestricted: Bool
    /// The route that the client was last found to be allowed to publish on: a client that repeats its topic is not
    /// asked again.
    var permittedRoute: Route?

    init(identity: Identity, rights: AccessRights) {
        self.identity = identity
        self.rights = rights
        self.isUnrestricted = rights.allowsEverything
    }

    static let anyone = Standing(identity: Identity(user: nil, clientIdentifier: "", groups: []), rights: .all)
}
