/// A measurement could not be made: what was wrong, and what to do where something can be done.
package struct BenchFailure: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
