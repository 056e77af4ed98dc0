#include "app/hub_config.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/error.h"
#include "net/address_guard.h"

namespace slipway::app {
namespace {

std::string is_duration(const std::string& text) {
  return text == "0" || base::parse_duration(text) ? "" : "'" + text + "' is not a duration like 30d, 12h or 0";
}

std::string is_network(const std::string& text) {
  try {
    const net::AddressGuard guard(net::Reach::public_only, {text});
    return "";
  } catch (const base::Error& error) {
    return error.message();
  }
}

std::string is_rate(const std::string& text) {
  return parse_rate(text) ? "" : "'" + text + "' is not a rate like 6000/1m, 100/1s or 0";
}

}  // namespace

std::optional<Rate> parse_rate(const std::string& text) {
  if (text == "0") return Rate{};
  constexpr std::int64_t kCountMax = 1'000'000'000;
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + slash, count);
  const auto period = base::parse_duration(text.substr(slash + 1));
  if (failure != std::errc() || end != text.data() + slash || count < 1 || count > kCountMax) return std::nullopt;
  if (!period || *period < std::chrono::seconds(1) || *period > std::chrono::hours(24)) return std::nullopt;
  return Rate{count, *period};
}

void add_options(CLI::App& serve, HubConfig& config) {
  serve.set_config("--config", "", "read options from this file (TOML: port = 7070)")->envname("SLIPWAY_CONFIG");
  serve.add_option("--data", config.data, "folder of everything that this hub keeps")
      ->envname("SLIPWAY_DATA")
      ->capture_default_str();
  serve.add_option("--address", config.address, "numeric address to listen on")
      ->envname("SLIPWAY_ADDRESS")
      ->capture_default_str();
  serve.add_option("--port", config.port, "port to listen on; 0 picks a free one")
      ->envname("PORT")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  serve.add_option("--database", config.database, "postgres://… instead of the embedded database")
      ->envname("SLIPWAY_DATABASE");
  serve.add_option("--public-url", config.public_url, "the address that clients are told")
      ->envname("SLIPWAY_PUBLIC_URL");
  serve.add_option("--agent", config.agent, "the agent program (default: slipway-agent beside this program)")
      ->envname("SLIPWAY_AGENT");
  serve
      .add_option("--sandbox-network", config.sandbox_network,
                  "network of sandboxes: auto, isolated, host or none; see docs/sandbox.md")
      ->envname("SLIPWAY_SANDBOX_NETWORK")
      ->check(CLI::IsMember({"auto", "isolated", "host", "none"}))
      ->capture_default_str();
  serve
      .add_option("--keep-runs", config.keep_runs, "how long runs that ended are kept: 30d, 12h; 0 keeps them for ever")
      ->envname("SLIPWAY_KEEP_RUNS")
      ->check(is_duration)
      ->capture_default_str();
  serve.add_option("--keep-runs-max", config.keep_runs_max, "how many ended runs of one type are kept; 0 keeps all")
      ->envname("SLIPWAY_KEEP_RUNS_MAX")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  serve
      .add_option("--archive-runs", config.archive_runs,
                  "folder in which runs are written, with their journals, before they are removed")
      ->envname("SLIPWAY_ARCHIVE_RUNS");
  serve
      .add_flag("--webhook-allow-private", config.webhook_allow_private,
                "let webhooks go to loopback and private addresses")
      ->envname("SLIPWAY_WEBHOOK_ALLOW_PRIVATE");
  serve
      .add_option("--webhook-allow", config.webhook_allow,
                  "a network that webhooks may go to though it is private: 10.1.0.0/16; may be given several times")
      ->envname("SLIPWAY_WEBHOOK_ALLOW")
      ->delimiter(',')
      ->check(is_network);
  serve
      .add_option("--cloud", config.cloud,
                  "file (TOML) about the Google Cloud project that workstations are made in; see docs/workstations.md")
      ->envname("SLIPWAY_CLOUD")
      ->check(CLI::ExistingFile);
  serve
      .add_option("--jobs-per-owner", config.jobs_per_owner,
                  "provisioner jobs of one owner that daemons do at once; 0 does not limit")
      ->envname("SLIPWAY_JOBS_PER_OWNER")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  serve
      .add_option("--jobs-pending-max", config.jobs_pending_max,
                  "how long a provisioner job waits that no daemon can take, until it fails: 24h, 7d; 0 waits for ever")
      ->envname("SLIPWAY_JOBS_PENDING_MAX")
      ->check(is_duration)
      ->capture_default_str();
  serve.add_option("--log-level", config.log_level, "debug, info, warning or error")
      ->envname("SLIPWAY_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  serve.add_option("--log-format", config.log_format, "text or json")
      ->envname("SLIPWAY_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  serve
      .add_option("--rate-limit", config.rate_limit,
                  "requests that an API key may make, and in how long: 6000/1m; 0 does not limit")
      ->envname("SLIPWAY_RATE_LIMIT")
      ->check(is_rate)
      ->capture_default_str();
  serve
      .add_option(
          "--cors-origin", config.cors_origins,
          "a page's origin, such as https://portal.example.com, that may use the API; may be repeated; * is all")
      ->envname("SLIPWAY_CORS_ORIGIN")
      ->delimiter(',');
  serve.add_flag("--open-metrics", config.open_metrics, "let /metrics be read without a key")
      ->envname("SLIPWAY_OPEN_METRICS");
  serve
      .add_option("--embedded-runners", config.embedded_runners,
                  "jobs that the provisioner daemon in this process carries out at once; 0: it has none")
      ->envname("SLIPWAY_EMBEDDED_RUNNERS")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  auto* certificate = serve.add_option("--tls-certificate", config.tls_certificate, "serve TLS with this chain (PEM)")
                          ->envname("SLIPWAY_TLS_CERTIFICATE");
  auto* key = serve.add_option("--tls-key", config.tls_key, "and this private key (PEM)")->envname("SLIPWAY_TLS_KEY");
  certificate->needs(key);
  key->needs(certificate);
}

}  // namespace slipway::app
