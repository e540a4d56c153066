/// Why a text is not what the call protocol means by it.
package struct ContractError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was wrong, with what, and what is right.
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
