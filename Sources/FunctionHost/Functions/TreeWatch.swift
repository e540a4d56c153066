import Logging

/// Looks through the folder of functions again and again.
struct TreeWatch: Sendable {
    private var tree: FunctionTree
    private var settler: TreeSettler
    /// Mistakes that were told already.
    private var told: Set<ManifestError> = []
    private let logger: Logger
    /// What the last look took: looks never take more than a twentieth of one core.
    private var effort = Duration.zero
    private static let pausePerEffort = 20

    init(_ tree: FunctionTree, _ plan: HostPlan, logger: Logger) {
        self.tree = tree
        self.settler = TreeSettler(plan)
        self.logger = logger
    }

    /// Until the task is cancelled, or the folder says that it is not to be watched.
    mutating func run(onChange: (HostPlan) -> Void) async {
        while let watch = self.settler.settled.settings.watch {
            // Ends with the cancellation that interrupts the sleep.
            guard (try? await Task.sleep(for: max(watch, self.effort * Self.pausePerEffort))) != nil else { return }
            let start = ContinuousClock.now
            let look = self.tree.look()
            self.effort = ContinuousClock.now - start
            for error in look.errors where !self.told.contains(error) {
                self.logger.error("\(error); what was there before stays in service")
            }
            self.told = Set(look.errors)
            if let plan = self.settler.look(look.plan) { onChange(plan) }
        }
    }
}
