import BusAccess

/// A policy as text, and the answers that follow from it by looking through all its rules at each question. What a
/// topic or filter is for the call protocol stands in the tables here by hand.
struct PlainPolicy {
    struct Rule: CustomStringConvertible {
        var who: String
        var isAllowing: Bool
        var action: String
        var pattern: String

        var description: String { "\(self.who) \(self.isAllowing ? "may" : "may not") \(self.action) \(self.pattern)" }
    }

    /// What a topic is.
    enum Place: Equatable {
        case plain
        case call(String)
        case cancel(String)
        case catalog(String)
        /// Presence of an instance of a client.
        case presence(String)
        /// A verb for a service, and for an instance of a client.
        case verb(service: String?, client: String?)
        case answer(String)
    }

    /// What a subscription needs besides, or instead of, a rule that covers it.
    enum Need {
        case covering
        /// The same, and shared it takes everybody's requests.
        case coveringAll
        case serving(String)
        /// Serving, or a rule that covers it.
        case hearing(String)
        case knowing(String)
        case listening(service: String?, client: String?)
        case answers(String)

        /// Whether topic rules alone decide.
        var isPlain: Bool {
            switch self {
            case .covering, .coveringAll: true
            case .serving, .hearing, .knowing, .listening, .answers: false
            }
        }
    }

    var rules: [Rule]

    static let functions = ["EdgeFC/hello", "EdgeFC/help", "Other/hello", "_sys/drain"]

    static let identities = [
        Identity(user: "ana", clientIdentifier: "dev-1"), Identity(user: "ben", clientIdentifier: "dev-2"),
        Identity(user: nil, clientIdentifier: "dev-1"), Identity(user: "ana", clientIdentifier: "a/b"),
        Identity(user: "a+b", clientIdentifier: "+"), Identity(user: "ben", clientIdentifier: "$SYS"),
        Identity(user: nil, clientIdentifier: "fc"),
        Identity(user: "cleo", clientIdentifier: "x", groups: ["operators"]),
    ]

    static let topics: [(String, Place)] =
        [
            "devices", "devices/dev-1", "devices/dev-1/secret", "devices/dev-1/a/b", "devices/dev-2/secret",
            "devices/ana", "devices/a/b", "devices/+x", "dev-1", "dev-1/a", "x-dev-2/a", "x-dev-2", "secret",
            "a/secret",
            "/secret", "/", "/a", "a//b", "$SYS/broker/uptime", "$SYS", "$x/a", "fc", "fc/own", "fc/own/x", "fcx/y",
            "a/b/secret",
            "fc/_evt/lost/EdgeFC/hello", "fc/EdgeFC/hello/dead", "fc/_inst/dev-9x", "a/b", "fc/EdgeFC/hello",
        ].map { ($0, .plain) } + [
            ("fc/EdgeFC/hello/req", .call("EdgeFC/hello")), ("fc/EdgeFC/hello/req/dev-1/7", .call("EdgeFC/hello")),
            ("fc/EdgeFC/help/async", .call("EdgeFC/help")), ("fc/Other/hello/req", .call("Other/hello")),
            ("fc/EdgeFC/hello/cancel", .cancel("EdgeFC/hello")), ("fc/Other/hello/cancel/x/1", .cancel("Other/hello")),
            ("fc/_sys/drain/req", .call("_sys/drain")), ("fc/_catalog/EdgeFC/hello", .catalog("EdgeFC/hello")),
            ("fc/_catalog/Other/hello", .catalog("Other/hello")), ("fc/_inst/dev-1", .presence("dev-1")),
            ("fc/_inst/dev-2.4", .presence("dev-2")), ("fc/_inst/a%2Fb", .presence("a/b")),
            ("fc/_ctl/ping", .verb(service: nil, client: nil)),
            ("fc/_ctl/ping/EdgeFC", .verb(service: "EdgeFC", client: nil)),
            ("fc/_ctl/ping/EdgeFC/dev-1", .verb(service: "EdgeFC", client: "dev-1")),
            ("fc/_reply/dev-1", .answer("dev-1")),
            ("fc/_reply/dev-2/9", .answer("dev-2")), ("fc/_reply/%24SYS/9/err/404", .answer("$SYS")),
        ]

    static let filters: [(String, Need)] =
        [("#", .coveringAll), ("+/#", .coveringAll)]
        + [
            "+", "/#", "devices/#", "devices/+", "devices", "devices/dev-1/#", "devices/dev-1",
            "devices/+/secret",
            "devices/dev-2/secret", "dev-1/#", "+/secret", "a/#", "$SYS/#", "$SYS/broker/+", "fc/own", "x-dev-2/+",
            "fc/_evt/#", "fc/_evt/lost/+/+", "fc/_catalog/#", "fc/_ctl/#",
        ].map { ($0, .covering) } + [
            ("fc/EdgeFC/hello/req", .serving("EdgeFC/hello")), ("fc/EdgeFC/help/req/#", .serving("EdgeFC/help")),
            ("fc/Other/hello/req/#", .serving("Other/hello")), ("fc/EdgeFC/hello/cancel/#", .hearing("EdgeFC/hello")),
            ("fc/EdgeFC/hello/async/#", .hearing("EdgeFC/hello")),
            ("fc/_catalog/EdgeFC/hello", .knowing("EdgeFC/hello")),
            ("fc/_ctl/+", .listening(service: nil, client: nil)),
            ("fc/_ctl/+/EdgeFC", .listening(service: "EdgeFC", client: nil)),
            ("fc/_ctl/+/EdgeFC/dev-1", .listening(service: "EdgeFC", client: "dev-1")),
            ("fc/_reply/dev-1/#", .answers("dev-1")),
            ("fc/_reply/#", .answers("nobody")), ("fc/_reply/x", .answers("x")),
        ]

    static func random(using generator: inout SeededGenerator) -> PlainPolicy {
        func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: elements.indices, using: &generator)]
        }
        let anyTopics = [
            "#", "+", "devices/#", "devices/{client}/#", "devices/+/secret", "devices/{user}", "{client}/#",
            "x-{client}/#",
            "$SYS/#", "+/secret", "devices/+", "/#", "+/+/secret", "fc/own", "devices/{client}", "f{client}/#",
        ]
        let rules = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
            let action = pick(["publish", "subscribe", "subscribe", "call", "serve", "admin"])
            let isAllowing = Int.random(in: 0..<3, using: &generator) > 0
            let pattern =
                switch action {
                case "publish": pick(anyTopics + ["fc/_ctl/#", "fc/_inst/+"])
                case "subscribe": pick(anyTopics + ["fc/#", "fc/_evt/#", "fc/EdgeFC/+/req/#", "fc/_catalog/EdgeFC/+"])
                case "admin": ""
                default: pick(["EdgeFC/hello", "EdgeFC/hel*", "EdgeFC/*", "*/*", "Other/*", "_sys/*", "Ed*/hello"])
                }
            let who = pick([
                "user ana", "user ben", "group operators", "client dev-*", "client *1", "anonymous", "everyone",
            ])
            // Few administrators: they make the rest of a policy pointless.
            let isRare = action == "admin" && (!isAllowing || Int.random(in: 0..<3, using: &generator) > 0)
            return Rule(
                who: who, isAllowing: isAllowing, action: isRare ? "call" : action, pattern: isRare ? "*/*" : pattern)
        }
        return PlainPolicy(rules: rules)
    }

    /// The same for the room.
    func policy() throws -> AccessPolicy {
        let rules = try self.rules.map { rule in
            let words = rule.who.split(separator: " ").map(String.init)
            let subjects =
                switch words[0] {
                case "user": AccessSubjects(users: [words[1]])
                case "group": AccessSubjects(groups: [words[1]])
                case "client": AccessSubjects(clients: [NamePattern(words[1])])
                case "anonymous": AccessSubjects(anonymous: true)
                default: AccessSubjects.everyone
                }
            let right: AccessRule.Right =
                switch rule.action {
                case "publish": try .publish(to: rule.pattern)
                case "subscribe": try .subscribe(to: rule.pattern)
                case "call": try .call(of: rule.pattern)
                case "serve": try .serve(of: rule.pattern)
                default: .everything
                }
            return AccessRule(subjects, rule.isAllowing ? .allow : .deny, right)
        }
        return AccessPolicy(rules: rules, groups: ["operators": ["ben"]])
    }

    func asker(_ identity: Identity) -> Asker {
        let own = self.rules.filter { rule in
            switch rule.who {
            case "user ana": identity.user == "ana"
            case "user ben": identity.user == "ben"
            case "group operators": identity.user == "ben" || identity.groups.contains("operators")
            case "client dev-*": identity.clientIdentifier.hasPrefix("dev-")
            case "client *1": identity.clientIdentifier.hasSuffix("1")
            case "anonymous": identity.user == nil
            default: true
            }
        }
        return Asker(identity: identity, rules: own)
    }

    /// Questions of one client.
    struct Asker {
        var identity: Identity
        var rules: [Rule]

        private var administers: Bool { self.rules.contains { $0.action == "admin" && $0.isAllowing } }

        // MARK: Functions

        func functions(_ action: String, _ function: String) -> Bool {
            let matching = self.rules.filter { $0.action == action && Self.names($0.pattern, function) }
            return matching.allSatisfy(\.isAllowing) && (!matching.isEmpty || self.administers)
        }

        private static func names(_ pattern: String, _ function: String) -> Bool {
            let isSystem = function.hasPrefix("_")
            switch pattern {
            case "EdgeFC/hel*": return function == "EdgeFC/hello" || function == "EdgeFC/help"
            case "Ed*/hello": return function == "EdgeFC/hello"
            case "*/*": return !isSystem
            case "_sys/*": return isSystem
            case "EdgeFC/*": return function.hasPrefix("EdgeFC/")
            case "Other/*": return function.hasPrefix("Other/")
            default: return pattern == function
            }
        }

        /// Whether there is a service for which the client serves something.
        private func serves(_ service: String?) -> Bool {
            self.administers
                || self.rules.contains { rule in
                    guard rule.action == "serve", rule.isAllowing else { return false }
                    let name = rule.pattern.split(separator: "/")[0]
                    return service == nil || name == "*" || name == service ?? ""
                        || (name == "Ed*" && service == "EdgeFC")
                }
        }

        // MARK: Topics

        func mayPublish(_ topic: String, _ place: Place) -> Bool {
            switch place {
            case .call(let function), .cancel(let function): self.functions("call", function)
            case .catalog(let function): self.functions("serve", function)
            case .presence(let client):
                (client == self.identity.clientIdentifier && self.serves(nil)) || self.permits("publish", topic)
            case .answer: self.administers
            case .plain, .verb: self.permits("publish", topic)
            }
        }

        func mayReceive(_ topic: String, _ place: Place) -> Bool {
            if case .answer(let client) = place { return client == self.identity.clientIdentifier }
            if self.permits("subscribe", topic) { return true }
            if self.isDenied("subscribe", PlainMatching.levels(topic)) { return false }
            switch place {
            case .catalog(let function): return self.functions("call", function) || self.functions("serve", function)
            case .cancel(let function): return self.functions("serve", function)
            case .verb(let service, let client):
                return self.serves(service) && (client == nil || client == self.identity.clientIdentifier)
            case .plain, .call, .presence, .answer: return false
            }
        }

        private func permits(_ action: String, _ topic: String) -> Bool {
            let levels = PlainMatching.levels(topic)
            if self.isDenied(action, levels) { return false }
            return self.administers
                || self.patterns(action, isAllowing: true).contains { PlainMatching.rules($0, levels) }
        }

        func isDenied(_ action: String, _ topic: [String]) -> Bool {
            self.patterns(action, isAllowing: false).contains { PlainMatching.rules($0, topic) }
        }

        /// With the client's names put in, where they may stand.
        private func patterns(_ action: String, isAllowing: Bool) -> [[String]] {
            self.rules.filter { $0.action == action && $0.isAllowing == isAllowing }.compactMap { rule in
                var text = rule.pattern
                for (place, name) in [("{client}", self.identity.clientIdentifier), ("{user}", self.identity.user)] {
                    guard text.contains(place) else { continue }
                    guard let name, !name.contains("+"), !name.contains("#"), !isAllowing || !name.contains("/") else {
                        return nil
                    }
                    text = text.split(separator: place, omittingEmptySubsequences: false).joined(separator: name)
                }
                let isSpelled = rule.pattern.hasPrefix("$") || rule.pattern.hasPrefix("fc/")
                let isApart = text.hasPrefix("$") || text.hasPrefix("fc/")
                return isApart && !isSpelled ? nil : PlainMatching.levels(text)
            }
        }

        // MARK: Subscriptions

        func maySubscribe(_ filter: String, _ need: Need) -> Bool {
            let isDenied = self.isWhollyDenied(filter)
            switch need {
            case .covering, .coveringAll: return self.isCovered(filter)
            case .serving(let function): return self.functions("serve", function)
            case .hearing(let function):
                return self.isCovered(filter) || (!isDenied && self.functions("serve", function))
            case .knowing(let function):
                let concerns = self.functions("call", function) || self.functions("serve", function)
                return self.isCovered(filter) || (!isDenied && concerns)
            case .listening(let service, let client):
                let concerns = self.serves(service) && (client == nil || client == self.identity.clientIdentifier)
                return self.isCovered(filter) || (!isDenied && concerns)
            case .answers(let client): return client == self.identity.clientIdentifier
            }
        }

        /// With `$share/…/` before the filter.
        func mayShare(_ filter: String, _ need: Need) -> Bool {
            switch need {
            case .covering, .serving, .hearing: self.maySubscribe(filter, need)
            case .coveringAll: self.isCovered(filter) && self.servesAll
            case .knowing, .listening: self.isCovered(filter)
            case .answers: false
            }
        }

        private var servesAll: Bool {
            let serving = self.rules.filter { $0.action == "serve" }
            return serving.allSatisfy(\.isAllowing)
                && (self.administers || serving.contains { $0.pattern == "*/*" })
        }

        private func isCovered(_ filter: String) -> Bool {
            !self.isWhollyDenied(filter)
                && (self.administers
                    || self.patterns("subscribe", isAllowing: true).contains { Self.covers($0, filter) })
        }

        private func isWhollyDenied(_ filter: String) -> Bool {
            self.patterns("subscribe", isAllowing: false).contains { Self.covers($0, filter) }
        }

        /// By search: whether a pattern matches everything in a world of topics that the filter does, but for what is
        /// set apart and not spelled by the filter.
        private static func covers(_ pattern: [String], _ filter: String) -> Bool {
            let levels = PlainMatching.levels(filter)
            let isOpen = levels[0] == "+" || levels[0] == "#"
            return Self.world.allSatisfy { topic in
                !PlainMatching.subscribes(levels, topic) || (isOpen && PlainMatching.isApart(topic))
                    || PlainMatching.rules(pattern, topic)
            }
        }

        private static let world: [[String]] = {
            var topics = PlainMatching.topics(of: ["devices", "dev-1", "dev-2", "secret", "$SYS", "", "z"], depth: 3)
            topics += PlainMatching.topics(of: ["z", "secret"], depth: 4)
            topics += ["a", "a/secret", "x-dev-2", "x-dev-2/z", "fc", "devices/dev-1/z/z", "$SYS/broker/z"].map(
                PlainMatching.levels)
            topics += PlainPolicy.topics.map { PlainMatching.levels($0.0) }
            for function in ["EdgeFC/hello", "EdgeFC/help", "Other/hello", "z/z"] {
                for end in ["req", "async", "cancel", "dead", "req/z/z", "cancel/z/z", "async/z/z", "z"] {
                    topics.append(PlainMatching.levels("fc/\(function)/\(end)"))
                }
                topics.append(PlainMatching.levels("fc/_catalog/\(function)"))
                topics.append(PlainMatching.levels("fc/_evt/z/\(function)"))
                topics.append(PlainMatching.levels("fc/_evt/lost/\(function)"))
            }
            topics += [
                "fc/_ctl/z", "fc/_ctl/z/EdgeFC", "fc/_ctl/z/z", "fc/_ctl/z/EdgeFC/dev-1", "fc/_ctl/z/z/z/z", "fc/_evt",
            ]
            .map(PlainMatching.levels)
            topics += ["fc/z", "fc/_catalog", "fc/_ctl", "fc/_evt/lost"].map(PlainMatching.levels)
            return topics
        }()
    }
}
