#pragma once
// Prometheus metrics: made once by whoever counts, scraped as text.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace slipway::observe {

using Labels = std::map<std::string, std::string>;

// Handles: cheap to copy, thread-safe, valid as long as their Registry.
class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  void increment(double by = 1);  // by >= 0
  double value() const;

 private:
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  void set(double value);
  void add(double by);
  double value() const;

 private:
  prometheus::Gauge* gauge_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  void observe(double value);

 private:
  prometheus::Histogram* histogram_;
};

// Upper bounds in seconds for what people wait for: 1 ms to 10 min.
std::vector<double> latency_buckets();

// Thread-safe. The same name, help and labels give the same metric again. A name that is taken by another type, or that
// is no metric name, throws INTERNAL_ERROR.
class Registry {
 public:
  Registry();
  ~Registry();

  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& upper_bounds,
                      const Labels& labels = {});

  // Read at scrape time, on the scraping thread. The returned handle unregisters when destroyed; after that the
  // function is not called any more.
  enum class Kind { counter, gauge };
  class Registration {
   public:
    Registration() = default;
    explicit Registration(std::shared_ptr<void> token) : token_(std::move(token)) {}

   private:
    std::shared_ptr<void> token_;
  };
  [[nodiscard]] Registration read(Kind kind, const std::string& name, const std::string& help, const Labels& labels,
                                  std::function<double()> function);
  // Several label sets at once, for counts by state and the like.
  struct Sample {
    Labels labels;
    double value;
  };
  [[nodiscard]] Registration read_many(Kind kind, const std::string& name, const std::string& help,
                                       std::function<std::vector<Sample>()> function);

  // Text format 0.0.4: Content-Type "text/plain; version=0.0.4; charset=utf-8".
  std::string expose() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::observe
