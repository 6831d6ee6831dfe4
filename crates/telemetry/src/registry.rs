//! Makes the metrics of the catalog, and renders them.

use crate::catalog::{Kind, Metric};
use prometheus::core::Collector;
use prometheus::{
    CounterVec, Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, TextEncoder,
};

/// All metrics of one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(prometheus::Registry);

impl Registry {
    pub(crate) fn counters(&self, metric: &Metric) -> Result<IntCounterVec, Error> {
        self.add(IntCounterVec::new(opts(metric), metric.labels)?)
    }

    /// A counter without labels.
    pub(crate) fn counter(&self, metric: &Metric) -> Result<IntCounter, Error> {
        self.counters(metric)?.get_metric_with_label_values::<&str>(&[])
    }

    pub(crate) fn seconds(&self, metric: &Metric) -> Result<CounterVec, Error> {
        self.add(CounterVec::new(opts(metric), metric.labels)?)
    }

    pub(crate) fn gauges(&self, metric: &Metric) -> Result<IntGaugeVec, Error> {
        self.add(IntGaugeVec::new(opts(metric), metric.labels)?)
    }

    pub(crate) fn histograms(&self, metric: &Metric) -> Result<HistogramVec, Error> {
        let Kind::Histogram(buckets) = metric.kind else {
            return Err(Error::Msg(format!("{} is no histogram in the catalog", metric.name)));
        };
        let opts = HistogramOpts { common_opts: opts(metric), buckets: buckets.to_vec() };
        self.add(HistogramVec::new(opts, metric.labels)?)
    }

    /// A histogram without labels.
    pub(crate) fn histogram(&self, metric: &Metric) -> Result<Histogram, Error> {
        self.histograms(metric)?.get_metric_with_label_values::<&str>(&[])
    }

    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// All of them as text, format 0.0.4.
    pub(crate) fn render(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// Sets a gauge to its current value.
pub(crate) fn set(gauge: &IntGauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// The sources never fall, so the difference is what came since the last page.
pub(crate) fn advance(counter: &IntCounter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}
