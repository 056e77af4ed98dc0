#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace slipway::observe {
namespace {

class FixedClock final : public base::Clock {
 public:
  base::Instant now() const override { return base::from_unix_ms(1736676000000); }
};

struct Captured {
  FixedClock clock;
  std::vector<std::string> lines;
  Logger logger;
  explicit Captured(LogFormat format, Level level = Level::debug)
      : logger({level, format, {}}, clock, [this](std::string_view line) { lines.emplace_back(line); }) {}
};

TEST(Logger, WritesASentenceAndItsFacts) {
  Captured log(LogFormat::text);
  log.logger.info("workspace created", {{"workspace", "w1"}, {"ms", 12}, {"ok", true}, {"share", 0.5}});
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0], "2025-01-12T10:00:00.000Z info workspace created workspace=w1 ms=12 ok=true share=0.5");
}

TEST(Logger, WritesJsonThatParses) {
  Captured log(LogFormat::json);
  log.logger.with({{"request", "r 1"}}).warning("odd", {{"text", "a\"b\\\n\x01\xff"}, {"ms", base::Duration(5)}});
  const auto line = json::parse_value(log.lines.at(0)).as_object();
  EXPECT_EQ(line.at("level").as_string(), "warning");
  EXPECT_EQ(line.at("message").as_string(), "odd");
  EXPECT_EQ(line.at("request").as_string(), "r 1");
  EXPECT_EQ(line.at("text").as_string(), "a\"b\\\n\x01\xef\xbf\xbd");
  EXPECT_EQ(line.at("ms").as_int64(), 5);
}

TEST(Logger, DataCannotForgeALine) {
  for (const auto format : {LogFormat::text, LogFormat::json}) {
    Captured log(format);
    log.logger.info("login", {{"user", "x\n2025-01-12T10:00:00.000Z error \x1b[31mfake \xe2\x80\xa8 \xe2\x80\xae"}});
    const std::string& line = log.lines.at(0);
    EXPECT_EQ(log.lines.size(), 1u);
    EXPECT_EQ(line.find_first_of("\n\r\x1b"), std::string::npos);
    EXPECT_EQ(line.find("\xe2\x80\xa8"), std::string::npos);
    EXPECT_EQ(line.find("\xe2\x80\xae"), std::string::npos);
  }
}

TEST(Logger, DoesNotShowSecrets) {
  Captured log(LogFormat::text);
  log.logger.info("key made", {{"key", base::Secret("hunter2")}});
  EXPECT_EQ(log.lines.at(0), "2025-01-12T10:00:00.000Z info key made key=*redacted*");
}

TEST(Logger, QuotesWhatIsNoPlainWord) {
  Captured log(LogFormat::text);
  log.logger.info("x", {{"a", ""}, {"b", "two words"}, {"c", "k=v"}, {"d", "ü"}});
  EXPECT_TRUE(log.lines.at(0).ends_with(R"(x a="" b="two words" c="k=v" d="ü")")) << log.lines.at(0);
}

TEST(Logger, LeavesOutWhatIsBelowItsLevel) {
  Captured log(LogFormat::text, Level::warning);
  const Logger derived = log.logger.with({{"a", 1}});
  derived.info("no");
  derived.error("yes");
  log.logger.set_level(Level::debug);
  derived.debug("now");
  EXPECT_EQ(log.lines.size(), 2u);
}

TEST(Logger, TellsAnErrorsCodeAndClass) {
  Captured log(LogFormat::text);
  log.logger.error("step failed", base::not_found("run", "r1"), {{"step", "s"}});
  EXPECT_TRUE(log.lines.at(0).ends_with("code=NOT_FOUND class=user reason=\"there is no run 'r1'\" step=s"));
}

TEST(Logger, AppendsToItsFileAndOpensItAnew) {
  const std::string path = ::testing::TempDir() + "slipway-log-" + std::to_string(getpid());
  const base::SystemClock clock;
  const Logger logger({Level::info, LogFormat::text, path}, clock);
  logger.info("one");
  std::filesystem::rename(path, path + ".1");
  logger.reopen();
  logger.info("two");
  const auto content = [](const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(name).rdbuf();
    return text.str();
  };
  EXPECT_TRUE(content(path + ".1").ends_with(" info one\n"));
  EXPECT_TRUE(content(path).ends_with(" info two\n"));
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".1");
  EXPECT_THROW(Logger({Level::info, LogFormat::text, "/nowhere/at/all"}, clock), base::Error);
  EXPECT_FALSE(std::filesystem::exists("/nowhere"));
}

TEST(Logger, LinesOfManyThreadsStayWhole) {
  Captured log(LogFormat::text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&log, i] {
      for (int k = 0; k < 250; ++k) log.logger.info("line", {{"thread", i}});
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log.lines.size(), 1000u);
}

// ---- metrics

// Name with labels to value; fails the test on a line that the text format does not know.
std::map<std::string, double> parse_metrics(const std::string& text) {
  static const std::regex sample(R"re(([a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="([^"\\]|\\.)*",?)*\})?) (\S+))re");
  static const std::regex comment(R"(# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .*)");
  std::map<std::string, double> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, sample)) {
      values[match[1]] = match[5] == "+Inf" ? HUGE_VAL : std::stod(match[5]);
    } else {
      EXPECT_TRUE(std::regex_match(line, comment)) << line;
    }
  }
  return values;
}

TEST(Registry, ExposesWhatWasCounted) {
  Registry registry;
  Counter runs = registry.counter("runs_total", "Runs", {{"type", "workspace.create"}});
  runs.increment();
  runs.increment(2);
  registry.counter("runs_total", "Runs", {{"type", "workspace.create"}}).increment();  // the same one
  registry.gauge("queue_depth", "Waiting").set(7);
  Histogram latency = registry.histogram("latency_seconds", "Time", {0.1, 1});
  latency.observe(0.05);
  latency.observe(5);
  const auto values = parse_metrics(registry.expose());
  EXPECT_EQ(values.at("runs_total{type=\"workspace.create\"}"), 4);
  EXPECT_EQ(values.at("queue_depth"), 7);
  EXPECT_EQ(values.at("latency_seconds_bucket{le=\"0.1\"}"), 1);
  EXPECT_EQ(values.at("latency_seconds_bucket{le=\"+Inf\"}"), 2);
  EXPECT_EQ(values.at("latency_seconds_count"), 2);
}

TEST(Registry, ReadsAtScrapeTimeUntilTheRegistrationGoes) {
  Registry registry;
  double depth = 3;
  {
    const auto one =
        registry.read(Registry::Kind::gauge, "depth", "Depth", {{"queue", "a\"b\n"}}, [&] { return depth; });
    const auto two = registry.read_many(Registry::Kind::gauge, "depth", "Depth", [] {
      return std::vector<Registry::Sample>{{{{"queue", "c"}}, 1}, {{{"queue", "d"}}, 2}};
    });
    EXPECT_EQ(parse_metrics(registry.expose()).at("depth{queue=\"a\\\"b\\n\"}"), 3);
    depth = 4;
    const std::string text = registry.expose();
    EXPECT_EQ(parse_metrics(text).size(), 3u);
    EXPECT_EQ(text.find("# TYPE depth gauge"), text.rfind("# TYPE depth gauge"));  // one family
  }
  EXPECT_EQ(registry.expose().find("depth{"), std::string::npos);
}

TEST(Registry, RefusesNamesThatAScraperWouldRefuse) {
  Registry registry;
  EXPECT_THROW(registry.counter("no-dashes", "x"), base::Error);
  EXPECT_THROW(registry.counter("fine", "x", {{"__reserved", "1"}}), base::Error);
  registry.counter("taken", "x");
  EXPECT_THROW(registry.gauge("taken", "x"), base::Error);
}

}  // namespace
}  // namespace slipway::observe
