import Foundation

/// How many damaged copies of a store each test of damage looks at: `FCBUS_MUTANTS=2000`, or the usual 40.
enum Mutants {
    static let count = ProcessInfo.processInfo.environment["FCBUS_MUTANTS"].flatMap(UInt64.init) ?? 40
}
