#include "observe/metrics.h"

#include <prometheus/check_names.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <list>
#include <mutex>

#include "base/error.h"

namespace slipway::observe {

void Counter::increment(double by) { counter_->Increment(by); }
double Counter::value() const { return counter_->Value(); }
void Gauge::set(double value) { gauge_->Set(value); }
void Gauge::add(double by) { gauge_->Increment(by); }
double Gauge::value() const { return gauge_->Value(); }
void Histogram::observe(double value) { histogram_->Observe(value); }

std::vector<double> latency_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
}

struct Registry::Impl {
  struct Reader {
    prometheus::MetricType type;
    std::string name;
    std::string help;
    std::function<std::vector<Sample>()> function;
  };
  struct Readers {
    std::mutex mutex;  // held while the functions run, so that none runs after its registration is gone
    std::list<Reader> list;
  };

  // One name, one type: prometheus refuses to scrape anything else.
  void claim(const std::string& name, prometheus::MetricType type, const Labels& labels) {
    if (!prometheus::CheckMetricName(name)) throw base::internal_error("'" + name + "' is no metric name");
    for (const auto& [label, value] : labels)
      if (!prometheus::CheckLabelName(label)) throw base::internal_error("'" + label + "' is no label name");
    const std::lock_guard lock(names_mutex);
    const auto [entry, fresh] = names.emplace(name, type);
    if (!fresh && entry->second != type) throw base::internal_error("the metric " + name + " exists with another type");
  }

  prometheus::Registry registry;
  std::shared_ptr<Readers> readers = std::make_shared<Readers>();
  std::mutex names_mutex;
  std::map<std::string, prometheus::MetricType> names;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  impl_->claim(name, prometheus::MetricType::Counter, labels);
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return Counter(family.Add(labels));
}

Gauge Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  impl_->claim(name, prometheus::MetricType::Gauge, labels);
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return Gauge(family.Add(labels));
}

Histogram Registry::histogram(const std::string& name, const std::string& help, const std::vector<double>& upper_bounds,
                              const Labels& labels) {
  impl_->claim(name, prometheus::MetricType::Histogram, labels);
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(family.Add(labels, upper_bounds));
}

Registry::Registration Registry::read(Kind kind, const std::string& name, const std::string& help, const Labels& labels,
                                      std::function<double()> function) {
  return read_many(kind, name, help,
                   [labels, function = std::move(function)] { return std::vector<Sample>{{labels, function()}}; });
}

Registry::Registration Registry::read_many(Kind kind, const std::string& name, const std::string& help,
                                           std::function<std::vector<Sample>()> function) {
  const auto type = kind == Kind::counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  impl_->claim(name, type, {});
  const auto readers = impl_->readers;
  const std::lock_guard lock(readers->mutex);
  const auto place = readers->list.insert(readers->list.end(), {type, name, help, std::move(function)});
  return Registration(std::shared_ptr<void>(nullptr, [readers, place](std::nullptr_t) {
    const std::lock_guard guard(readers->mutex);
    readers->list.erase(place);
  }));
}

namespace {

prometheus::ClientMetric to_client_metric(prometheus::MetricType type, const Registry::Sample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = sample.value;
  } else {
    metric.gauge.value = sample.value;
  }
  return metric;
}

}  // namespace

std::string Registry::expose() const {
  auto families = impl_->registry.Collect();
  {
    const std::lock_guard lock(impl_->readers->mutex);
    for (const auto& reader : impl_->readers->list) {
      // All samples of a name stand together, whoever registered them.
      auto family = std::ranges::find(families, reader.name, &prometheus::MetricFamily::name);
      if (family == families.end())
        family = families.insert(families.end(), {reader.name, reader.help, reader.type, {}});
      for (const Sample& sample : reader.function()) family->metric.push_back(to_client_metric(reader.type, sample));
    }
  }
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace slipway::observe
