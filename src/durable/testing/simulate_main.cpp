// slipway-simulate: the engine in the simulated world, for any seeds.

#include <charconv>
#include <cstring>
#include <iostream>
#include <optional>
#include <string_view>

#include "durable/testing/simulation.h"

namespace {

constexpr const char* kUsage = R"(Usage: slipway-simulate --from S --count N     runs the seeds S to S+N-1
       slipway-simulate --seed S [--trace]     runs one; with --trace, tells what happens

Each seed decides a world of one to three hubs on one database: programs, delays, crashes between any two steps,
commits whose answer is lost, failing stores, pauses, clocks that jump, lost and doubled messages. Every third is one
of liveness. Ends with a line that counts, and with 1 if any seed failed.
)";

struct Options {
  std::uint64_t from = 1, count = 100;
  bool trace = false;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[noreturn]] void refuse(const std::string& why) {
  std::cerr << "slipway-simulate: " << why << "\n" << kUsage;
  std::exit(2);
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--help" || word == "-h") {
      std::cout << kUsage;
      std::exit(0);
    }
    if (word == "--trace") {
      options.trace = true;
      continue;
    }
    if (word != "--from" && word != "--count" && word != "--seed") refuse("unknown option '" + std::string(word) + "'");
    if (i + 1 == count) refuse(std::string(word) + " needs a number");
    const auto value = number(words[++i]);
    if (!value) refuse(std::string(word) + ": '" + words[i] + "' is not a number from 0 to 2^64-1");
    (word == "--count" ? options.count : options.from) = *value;
    if (word == "--seed") options.count = 1;
  }
  if (options.trace && options.count != 1) refuse("--trace tells of one seed: use --seed");
  return options;
}

}  // namespace

int main(int count, char** words) {
  const Options options = parse(count, words);
  std::uint64_t failed = 0;
  std::int64_t runs = 0, events = 0, commits = 0, crashes = 0, taken_over = 0, lost_leases = 0;
  for (std::uint64_t i = 0; i < options.count; ++i) {
    const auto result = slipway::durable::testing::simulate(options.from + i, options.trace ? &std::cout : nullptr);
    runs += result.runs;
    events += result.events;
    commits += result.commits;
    crashes += result.crashes;
    taken_over += result.taken_over;
    lost_leases += result.lost_leases;
    if (result.violations.empty()) continue;
    ++failed;
    std::cout << "seed " << result.seed << " failed:\n" << result.violations;
  }
  std::cout << options.count << " seeds from " << options.from << ", " << failed << " failed: " << runs << " runs, "
            << events << " events, " << commits << " commits, " << crashes << " crashes, " << lost_leases
            << " leases lost, " << taken_over << " runs taken over\n";
  return failed == 0 ? 0 : 1;
}
