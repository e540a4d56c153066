package import BusTopics

/// The filters of the protocol, and what a subscription means for calls.
package enum CallFilter {
    /// The share name that all instances of a function use.
    package static let instanceGroup = "fc"
    private static let group = "$share/\(instanceGroup)/"

    /// What an instance of a function subscribes to: both request forms.
    ///
    /// - Parameter isShared: `false` on a broker without shared subscriptions.
    package static func requests(of function: FunctionName, isShared: Bool = true) -> String {
        (isShared ? Self.group : "") + "fc/\(function)/req/#"
    }

    /// What an instance subscribes to besides on a broker that does not know calls: one-way invocations.
    package static func invocations(of function: FunctionName, isShared: Bool = true) -> String {
        (isShared ? Self.group : "") + "fc/\(function)/async/#"
    }

    package static func cancellations(of function: FunctionName) -> String { "fc/\(function)/cancel/#" }

    /// What a caller subscribes to: the filter matches its parent level too.
    package static func replies(to client: String) -> String { "fc/_reply/\(ClientName.encode(client))/#" }

    package static let catalog = "fc/_catalog/#"
    package static let instances = "fc/_inst/#"
    package static let events = "fc/_evt/#"

    /// What an instance subscribes to for operators: verbs for all, for its service and for itself.
    package static func controls(of instance: String, service: String) -> [String] {
        ["fc/_ctl/+", "fc/_ctl/+/\(service)", "fc/_ctl/+/\(service)/\(instance)"]
    }

    /// Whether a client may subscribe to a filter as far as answers are concerned: below the reply space only to its
    /// own. Filters that reach in from above are allowed, and get none of them.
    package static func mayRead(_ filter: TopicFilter, client: String) -> Bool {
        let levels = filter.levels
        guard levels.count >= 2, levels[0].utf8.elementsEqual("fc".utf8), levels[1].utf8.elementsEqual("_reply".utf8)
        else {
            return true
        }
        return levels.count >= 3 && levels[2].utf8.elementsEqual(ClientName.encode(client).utf8) && !filter.isShared
    }

    /// What a subscription is for the calls whose requests it matches.
    package enum Role: Hashable, Sendable {
        /// Serves one function.
        case instance(FunctionName)
        /// A shared subscription with wildcards: serves every function whose request topic it matches.
        case instanceOfMany
        /// Gets copies and never counts.
        case observer
        /// Matches no request at all.
        case unrelated
    }

    /// In which of its two forms a request can be given to a subscriber.
    package struct RequestForms: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// `…/req`: the reply address stands in properties.
        package static let properties = RequestForms(rawValue: 1)
        /// `…/req/<client>/<call>`, whoever the client is.
        package static let topic = RequestForms(rawValue: 2)
    }

    /// The forms of requests that a filter matches for every caller. A filter that names a caller matches none: whom it
    /// serves cannot be said of a function.
    package static func forms(of filter: TopicFilter) -> RequestForms {
        let levels = filter.levels
        var forms: RequestForms = []
        if levels.count == 4 || (levels.last == "#" && levels.count <= 5) { forms.insert(.properties) }
        if levels.last == "#" {
            if levels.dropLast().dropFirst(4).allSatisfy({ $0 == "+" }) { forms.insert(.topic) }
        } else if levels.count == 6, levels[4] == "+", levels[5] == "+" {
            forms.insert(.topic)
        }
        return forms
    }

    /// Whether a filter is one that instances and callers of one function subscribe to: its requests, invocations or
    /// cancellations. Hosts have hundreds of them.
    package static func isOfFunction(_ filter: TopicFilter) -> Bool {
        let levels = filter.levels
        guard levels.count >= 4, levels[0] == "fc", FunctionName.isName(levels[1]), FunctionName.isName(levels[2])
        else { return false }
        return levels[3] == "req" || levels[3] == "async" || levels[3] == "cancel"
    }

    /// Any shared subscription that can match a request counts as an instance, or a plain one without `+` and with at
    /// most a trailing `/#` after `req`; every other one that matches is an observer.
    package static func role(of filter: TopicFilter) -> Role {
        let levels = filter.levels
        guard self.canMatchRequests(levels) else { return .unrelated }
        let function = self.function(levels)
        if filter.isShared { return function.map(Role.instance) ?? .instanceOfMany }
        guard let function, levels.count == 4 || (levels.count == 5 && levels[4] == "#") else { return .observer }
        return .instance(function)
    }

    /// The function of a filter `fc/<s>/<f>/req…`, `nil` where a wildcard stands before its end.
    private static func function(_ levels: [Substring]) -> FunctionName? {
        guard levels.count >= 4, levels[3] == "req" else { return nil }
        return FunctionName(service: levels[1], function: levels[2])
    }

    /// Whether a filter matches `fc/<s>/<f>/req` or `fc/<s>/<f>/req/<client>/<call>` of some function.
    private static func canMatchRequests(_ levels: [Substring]) -> Bool {
        let form: [(Substring) -> Bool] = [
            { $0 == "fc" }, FunctionName.isName, FunctionName.isName, { $0 == "req" }, ClientName.isLevel,
            ClientName.isCallIdentifier,
        ]
        for (index, level) in levels.enumerated() {
            if level == "#" { return true }
            guard index < form.count, level == "+" || form[index](level) else { return false }
        }
        return levels.count == 4 || levels.count == 6
    }
}
