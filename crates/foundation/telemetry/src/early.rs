//! What is counted before the exporter is there. To make that takes up to 200 ms of a processor, as it measures the
//! processor's clock against the system's (crate `quanta`): no start waits for it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Level, Metadata,
    Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;

/// How many changes are kept before whoever counts makes the exporter.
const MOST: usize = 10_000;

/// A recorder that keeps what is counted until there is an exporter, and passes everything on to it.
#[derive(Clone)]
pub struct Early(Arc<Inner>);

struct Inner {
    exporter: OnceLock<PrometheusRecorder>,
    /// In the order in which it was counted.
    kept: Mutex<Vec<(Key, Change)>>,
    /// Makes the exporter, and calls [`Early::pass_on`] with it.
    make: fn(),
}

/// What was said of a metric.
#[derive(Clone, Copy)]
enum Change {
    CounterUp(u64),
    CounterAt(u64),
    GaugeUp(f64),
    GaugeDown(f64),
    GaugeAt(f64),
    Sample(f64),
}

impl Change {
    fn tell(self, recorder: &PrometheusRecorder, key: &Key) {
        let metadata = Metadata::new(module_path!(), Level::INFO, None);
        match self {
            Change::CounterUp(by) => recorder.register_counter(key, &metadata).increment(by),
            Change::CounterAt(at) => recorder.register_counter(key, &metadata).absolute(at),
            Change::GaugeUp(by) => recorder.register_gauge(key, &metadata).increment(by),
            Change::GaugeDown(by) => recorder.register_gauge(key, &metadata).decrement(by),
            Change::GaugeAt(at) => recorder.register_gauge(key, &metadata).set(at),
            Change::Sample(value) => recorder.register_histogram(key, &metadata).record(value),
        }
    }
}

impl Early {
    /// `make` is called by whoever counts when too much is kept.
    pub fn new(make: fn()) -> Self {
        Early(Arc::new(Inner {
            exporter: OnceLock::new(),
            kept: Mutex::new(Vec::new()),
            make,
        }))
    }

    /// Everything that was counted, and all that will be, goes to this exporter. Only the first one counts.
    pub fn pass_on(&self, exporter: PrometheusRecorder) {
        let mut kept = self.kept();
        for (key, change) in std::mem::take(&mut *kept) {
            change.tell(&exporter, &key);
        }
        let _ = self.0.exporter.set(exporter);
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Key, Change)>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        Arc::new(Handle {
            early: self.clone(),
            key: key.clone(),
        })
    }
}

/// A metric that somebody asked for before there was an exporter.
struct Handle {
    early: Early,
    key: Key,
}

impl Handle {
    fn change(&self, change: Change) {
        let exporter = &self.early.0.exporter;
        let mut kept = None;
        if exporter.get().is_none() {
            kept = Some(self.early.kept());
        }
        // Looked at again: it may have come while the lock was waited for.
        if let Some(exporter) = exporter.get() {
            drop(kept);
            return change.tell(exporter, &self.key);
        }
        let full = kept.is_some_and(|mut kept| {
            kept.push((self.key.clone(), change));
            kept.len() >= MOST
        });
        if full {
            (self.early.0.make)();
        }
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.change(Change::CounterUp(value));
    }

    fn absolute(&self, value: u64) {
        self.change(Change::CounterAt(value));
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.change(Change::GaugeUp(value));
    }

    fn decrement(&self, value: f64) {
        self.change(Change::GaugeDown(value));
    }

    fn set(&self, value: f64) {
        self.change(Change::GaugeAt(value));
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.change(Change::Sample(value));
    }
}

impl Recorder for Early {
    // The exporter shows no descriptions of ours: none is made.
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        match self.0.exporter.get() {
            Some(exporter) => exporter.register_counter(key, metadata),
            None => Counter::from_arc(self.handle(key)),
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        match self.0.exporter.get() {
            Some(exporter) => exporter.register_gauge(key, metadata),
            None => Gauge::from_arc(self.handle(key)),
        }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        match self.0.exporter.get() {
            Some(exporter) => exporter.register_histogram(key, metadata),
            None => Histogram::from_arc(self.handle(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn never() {
        panic!("nothing of this makes the exporter");
    }

    #[test]
    fn what_was_counted_early_is_shown_in_its_order_and_handles_go_on() {
        let early = Early::new(never);
        let exporter = PrometheusBuilder::new().build_recorder();
        let shown = exporter.handle();
        metrics::with_local_recorder(&early, || {
            let (counter, gauge) = (metrics::counter!("calls_total"), metrics::gauge!("waiting"));
            counter.increment(2);
            gauge.set(9.0);
            gauge.set(1.0);
            gauge.increment(4.0);
            gauge.decrement(2.0);
            metrics::counter!("ticks_total").absolute(7);
            metrics::histogram!("took").record(3.0);
            early.pass_on(exporter);
            counter.increment(1);
            gauge.increment(1.0);
            metrics::counter!("calls_total").increment(1);
        });
        let text = shown.render();
        for line in [
            "calls_total 4",
            "waiting 4",
            "ticks_total 7",
            "took_sum 3",
            "took_count 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
        }
    }

    #[test]
    fn who_counts_too_much_makes_the_exporter() {
        static MADE: OnceLock<()> = OnceLock::new();
        let early = Early::new(|| MADE.set(()).expect("once for this many"));
        metrics::with_local_recorder(&early, || {
            let counter = metrics::counter!("calls_total");
            for _ in 0..MOST - 1 {
                counter.increment(1);
            }
            assert!(MADE.get().is_none());
            counter.increment(1);
        });
        assert!(MADE.get().is_some());
    }
}
