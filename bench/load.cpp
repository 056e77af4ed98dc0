#include "load.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

namespace slipway::bench {

double microseconds_since(SteadyTime start) {
  return std::chrono::duration<double, std::micro>(steady_now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double percentile(std::vector<double> samples, double share) {
  const auto index = std::min(samples.size() - 1, std::size_t(double(samples.size()) * share));
  std::nth_element(samples.begin(), samples.begin() + std::ptrdiff_t(index), samples.end());
  return samples[index];
}

void print_figures(std::initializer_list<std::pair<const char*, double>> figures) {
  const char* separator = "{";
  for (const auto& [name, value] : figures) {
    std::printf("%s\"%s\": %.3f", separator, name, value);
    separator = ", ";
  }
  std::puts("}");
}

}  // namespace slipway::bench
