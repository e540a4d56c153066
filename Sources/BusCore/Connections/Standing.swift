import BusAccess
import BusContract
import BusWire

/// Who the client of a session is and what it may do.
struct Standing: Sendable {
    let identity: Identity
    var rights: AccessRights {
        didSet { self.isUnrestricted = self.rights.allowsEverything }
    }
    /// Asked for every message: the rights themselves are large.
    private(set) var isUnrestricted: Bool
    /// The route that the client was last found to be allowed to publish on: a client that repeats its topic is not
    /// asked again.
    var permittedRoute: Route?
    /// The reply topic that the client was last found to be allowed as a caller.
    var answersAt: AnswerTopic?
    /// What instances are told of the client as a caller, encoded once.
    let callerProperties: Properties

    /// A topic, and the state of all subscriptions in which it was looked at.
    ///
    /// An object, so that it is read without a copy of all the rest.
    final class AnswerTopic: Sendable {
        let topic: String
        let generation: UInt64
        /// It lies outside the reply space.
        let isElsewhere: Bool

        init(topic: String, generation: UInt64, isElsewhere: Bool) {
            self.topic = topic
            self.generation = generation
            self.isElsewhere = isElsewhere
        }
    }

    init(identity: Identity, rights: AccessRights) {
        self.identity = identity
        self.rights = rights
        self.isUnrestricted = rights.allowsEverything
        var properties: Properties = [
            .userProperty(name: PropertyName.callerIdentifier, value: identity.clientIdentifier)
        ]
        if let user = identity.user { properties.append(.userProperty(name: PropertyName.caller, value: user)) }
        self.callerProperties = properties
    }

    static let anyone = Standing(identity: Identity(user: nil, clientIdentifier: "", groups: []), rights: .all)
}
