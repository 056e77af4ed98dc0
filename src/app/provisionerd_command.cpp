#include "app/provisionerd_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "app/daemon_provisioners.h"
#include "app/version.h"
#include "net/server.h"
#include "net/timer.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "runner/daemon_host.h"

namespace slipway::app {
namespace {

struct Options {
  std::string hub;
  std::string key_file;
  std::string name;
  std::size_t runners = 1;
  std::vector<std::string> tags;
  std::vector<std::string> provisioners;
  std::string work = "slipway-provisionerd";
  std::uint64_t archive_bytes_max = runner::kArchiveBytesMax;
  std::string ca_file;
  std::string metrics;
  std::string drain_timeout = "1h";
  std::string log_level = "info";
  std::string log_format = "text";
  bool once = false;
};

// A bound for slips of the hand: -1 is the greatest of all numbers to the parser.
constexpr auto kArchiveCacheMost = 1ULL << 40;

std::string is_tag(const std::string& text) {
  const auto equals = text.find('=');
  return equals == 0 || equals == std::string::npos ? "'" + text + "' is not a tag: KEY=VALUE" : "";
}

std::string is_address(const std::string& text) {
  const auto port = text.substr(std::min(text.rfind(':'), text.size() - 1) + 1);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  const bool is_port = digits && std::stoul(port) <= 65'535;
  return is_port && port.size() + 1 < text.size() ? "" : "'" + text + "' is not HOST:PORT";
}

std::string is_duration(const std::string& text) {
  return base::parse_duration(text) ? "" : "'" + text + "' is not a duration like 30m or 1h";
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::map<std::string, std::string> tags_of(const std::vector<std::string>& words) {
  std::map<std::string, std::string> tags;
  for (const auto& word : words) tags[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  return tags;
}

base::Secret read_key(const std::string& file) {
  if (file.empty()) {
    const char* key = std::getenv("SLIPWAY_DAEMON_KEY");
    if (key) return base::Secret(key);
    throw base::validation_error("key-file",
                                 "a daemon key is needed: make one with `slipway daemons keys create` and "
                                 "give its file with --key-file, or the key in SLIPWAY_DAEMON_KEY");
  }
  std::ifstream in(file);
  std::string key;
  if (!(in >> key)) throw base::validation_error("key-file", "there is no key in " + file);
  return base::Secret(key);
}

runner::HostOptions host_options(const Options& options) {
  return {.hub = {.url = options.hub,
                  .key = read_key(options.key_file),
                  .ca_file = options.ca_file,
                  .user_agent = "slipway-provisionerd/" + std::string(kVersion),
                  .jobs = options.runners},
          .work = options.work,
          .daemon = {.name = options.name.empty() ? host_name() : options.name,
                     .version = std::string(kVersion),
                     .tags = tags_of(options.tags),
                     .runners = options.runners,
                     .once = options.once},
          .archive_bytes_max = options.archive_bytes_max};
}

// What stands beside the daemon, on a thread of its own: signals, and metrics for who scrapes them.
class Surroundings {
 public:
  Surroundings(runner::DaemonHost& host, const observe::Registry& metrics, const observe::Logger& log,
               base::Duration drain_timeout)
      : host_(host), metrics_(metrics), log_(log), drain_timeout_(drain_timeout) {
    wait_for_signal();
  }
  ~Surroundings() {
    boost::asio::post(io_, [this] { io_.stop(); });
    if (thread_.joinable()) thread_.join();
  }

  // `address` is one. Throws ADDRESS_UNAVAILABLE.
  void serve_metrics(const std::string& address) {
    const auto colon = address.rfind(':');
    const auto port = server_.listen_tcp(address.substr(0, colon), std::uint16_t(std::stoi(address.substr(colon + 1))));
    log_.info("metrics are served", {{"port", port}});
  }
  void start() {
    thread_ = std::thread([this] { io_.run(); });
  }

 private:
  // One signal drains, the next cancels what runs, the third kills it.
  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& failure, int) {
      if (failure) return;
      ++signalled_;
      if (signalled_ == 1) {
        host_.drain();
        timer_.expires_after(drain_timeout_);
        timer_.async_wait([this](const boost::system::error_code& stopped) {
          if (stopped) return;
          log_.warning("the drain takes too long: cancelling what runs");
          host_.cancel();
        });
      } else if (signalled_ == 2) {
        host_.cancel();
      } else {
        host_.force();
      }
      wait_for_signal();
    });
  }

  net::Awaitable<void> answer(net::Exchange& exchange) {
    net::Response response{
        .status = 404, .headers = {{"Content-Type", "text/plain; charset=utf-8"}}, .body = "not found\n"};
    if (exchange.request().path == "/metrics") {
      response.status = 200;
      response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      response.body = metrics_.expose();
    }
    co_await exchange.respond(std::move(response));
  }

  runner::DaemonHost& host_;
  const observe::Registry& metrics_;
  const observe::Logger& log_;
  const base::Duration drain_timeout_;
  net::IoContext io_{1};
  boost::asio::signal_set signals_{io_, SIGTERM, SIGINT};
  net::Timer timer_{io_};
  net::Server server_{io_, {.connections = 16}, [this](net::Exchange& exchange) { return answer(exchange); }};
  int signalled_ = 0;
  std::thread thread_;
};

void run(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);
  base::SystemClock clock;
  const observe::Logger log({.level = *observe::parse_level(options.log_level),
                             .format = *observe::parse_log_format(options.log_format),
                             .file = {}},
                            clock);
  observe::Registry metrics;
  runner::DaemonHost host(host_options(options), daemon_provisioners(options.provisioners), log, &metrics);
  Surroundings surroundings(host, metrics, log, *base::parse_duration(options.drain_timeout));
  if (!options.metrics.empty()) surroundings.serve_metrics(options.metrics);
  surroundings.start();
  host.run();
  log.info("stopped");
}

}  // namespace

void add_provisionerd_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("provisionerd", "Run a provisioner daemon in the foreground: it builds workspaces");
  command->set_config("--config", "", "read options from this file (TOML)")->envname("SLIPWAY_PROVISIONERD_CONFIG");
  command->add_option("--hub", options->hub, "the hub's address, such as https://slipway.example.com")
      ->envname("SLIPWAY_HUB")
      ->required();
  command->add_option("--key-file", options->key_file, "file with the daemon's key; else SLIPWAY_DAEMON_KEY")
      ->envname("SLIPWAY_DAEMON_KEY_FILE");
  command->add_option("--name", options->name, "how it is called in lists (default: this machine's name)");
  command->add_option("--runners", options->runners, "jobs at once")->check(CLI::Range(1, 64))->capture_default_str();
  command->add_option("--tag", options->tags, "KEY=VALUE that jobs may want; may be given several times")
      ->check(is_tag);
  command->add_option("--provisioner", options->provisioners,
                      "TYPE that is built in, or TYPE=COMMAND; may be given several times (default: all that are "
                      "built in and work here)");
  command->add_option("--work", options->work, "folder for sessions and caches, for this daemon alone")
      ->capture_default_str();
  command
      ->add_option("--archive-cache", options->archive_bytes_max,
                   "how much of templates' archives is kept there, such as 1GiB; 0: nothing")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(0ULL, kArchiveCacheMost).description(""))
      ->default_str("256MiB");
  command->add_option("--ca", options->ca_file, "certificates (PEM) that the hub's is checked against")
      ->check(CLI::ExistingFile);
  command->add_option("--metrics", options->metrics, "serve Prometheus metrics on HOST:PORT")->check(is_address);
  command->add_option("--drain-timeout", options->drain_timeout, "how long a drain may take before jobs are cancelled")
      ->check(is_duration)
      ->capture_default_str();
  command->add_option("--log-level", options->log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->add_option("--log-format", options->log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_flag("--once", options->once, "carry out one job, then end");
  command->footer(
      "SIGTERM drains: what runs is finished, nothing new is taken. A second one stops what runs so that another\n"
      "daemon goes on with it, a third kills it (docs/daemon.md).\n\n"
      "Example:\n  slipway provisionerd --hub https://slipway.example.com --key-file /etc/slipway/daemon.key "
      "--tag zone=eu");
  command->callback([options] { run(*options); });
}

}  // namespace slipway::app
