import BusContract

/// Functions in a rule: `EdgeFC/hello`, `EdgeFC/hello*`, `EdgeFC/*`, `*/*`.
///
/// The platform's own functions are called by their service's name alone: `_sys/*`, never `*/*`.
package struct FunctionPattern: Sendable {
    private struct Part: Sendable {
        var stem: String
        /// Whether a `*` stood behind the stem.
        var isOpen: Bool

        init(_ text: Substring) {
            self.isOpen = text.last == "*"
            self.stem = String(self.isOpen ? text.dropLast() : text)
        }

        func matches(_ name: String) -> Bool {
            self.isOpen ? name.utf8.starts(with: self.stem.utf8) : name.utf8.elementsEqual(self.stem.utf8)
        }
    }

    private let service: Part
    private let function: Part

    package init(_ text: String) throws(AccessFailure) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw AccessFailure("'\(text)' does not name functions: write EdgeFC/hello, EdgeFC/hello*, EdgeFC/* or */*")
        }
        self.service = Part(parts[0])
        self.function = Part(parts[1])
        do {
            // The stems must be able to begin a name.
            let function = self.function.isOpen && self.function.stem.isEmpty ? "x" : self.function.stem
            let operation = try FunctionName(systemOperation: function)
            if self.service.isOpen || self.service.stem != operation.service {
                let service = self.service.isOpen && self.service.stem.isEmpty ? "x" : self.service.stem
                _ = try FunctionName(service: service, function: function)
            }
        } catch {
            throw AccessFailure("'\(text)' does not name functions: \(error)")
        }
    }

    func matches(_ name: FunctionName) -> Bool {
        self.hasService(name.service, isSystem: name.isSystem) && self.function.matches(name.function)
    }

    /// Whether functions of a service can match.
    func matchesSome(ofService service: String) -> Bool { self.hasService(service, isSystem: false) }

    /// - Parameters: `nil` stands for all names.
    func coversAll(ofService service: String?, function: String?) -> Bool {
        Self.covers(self.service, service) && Self.covers(self.function, function)
    }

    /// - Parameters: `nil` stands for all names.
    func meets(service: String?, function: String?) -> Bool {
        (service.map(self.service.matches) ?? true) && (function.map(self.function.matches) ?? true)
    }

    private func hasService(_ service: String, isSystem: Bool) -> Bool {
        if isSystem, self.service.stem.isEmpty { return false }
        return self.service.matches(service)
    }

    private static func covers(_ part: Part, _ name: String?) -> Bool {
        name.map(part.matches) ?? (part.isOpen && part.stem.isEmpty)
    }
}
