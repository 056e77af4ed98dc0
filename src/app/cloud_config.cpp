#include "app/cloud_config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <fstream>
#include <sstream>

#include "notify/mail_message.h"

namespace slipway::app {
namespace {

// Strings such as 5m that a key may hold, by its name.
constexpr std::array kDurations{"idle_timeout", "running_timeout", "slow_after",  "give_up_after",
                                "poll_every",   "watch_every",     "sweep_every", "quota_wait_first"};

json::Value to_json(const toml::node& node, const json::Path& path) {
  if (const auto* table = node.as_table()) {
    json::Object object;
    for (const auto& [key, value] : *table) object[key.str()] = to_json(value, json::Path{&path, key.str()});
    return object;
  }
  if (const auto* array = node.as_array()) {
    json::Array values;
    for (const auto& value : *array) values.push_back(to_json(value, path));
    return values;
  }
  if (const auto text = node.value_exact<std::string>()) return json::Value(std::string_view(*text));
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  throw base::validation_error(path.str(), "must be a text, a number, true or false");
}

// Lays what was written over what is usual. A key that has no usual value does not exist.
void overlay(json::Object& usual, const json::Object& written, const json::Path& path) {
  for (const auto& [key, value] : written) {
    const json::Path here{&path, key};
    auto* known = usual.if_contains(key);
    if (known == nullptr) {
      json::Array names;
      for (const auto& [name, _] : usual) names.emplace_back(name);
      throw base::validation_error(here.str(), "is no key that is known here", std::move(names));
    }
    if (known->is_object() && value.is_object()) {
      overlay(known->as_object(), value.as_object(), here);
    } else {
      *known = value;
    }
  }
}

void require(bool holds, std::string_view key, std::string reason) {
  if (!holds) throw base::validation_error(key, std::move(reason));
}

bool is_project(const std::string& id) {
  return id.size() >= 4 && id.size() <= 63 && id.front() != '-' && id.back() != '-' &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.:") == std::string::npos;
}

void check_google(const GoogleConfig& google) {
  require(is_project(google.project), "google/project", "must be the id of a project");
  require(!google.location.empty(), "google/location", "must be a region, such as europe-west1");
}

void check_workstations(const WorkstationsConfig& workstations) {
  const auto value = json::to_value(workstations);
  for (const auto* key : kDurations) {
    const auto& text = value.at(key).as_string();
    require(base::parse_duration(text) || text == "0", std::string("workstations/") + key,
            "must be a duration, such as 5m or 250ms");
  }
  require(duration_of(workstations.poll_every).count() > 0, "workstations/poll_every", "must not be 0");
  require(duration_of(workstations.slow_after).count() > 0, "workstations/slow_after", "must not be 0");
  require(duration_of(workstations.give_up_after) > duration_of(workstations.slow_after), "workstations/give_up_after",
          "must be longer than slow_after");
  require(workstations.launch_url.starts_with("https://") || workstations.launch_url.starts_with("http://"),
          "workstations/launch_url", "must begin with https://; {host} and {id} in it are replaced");
}

void check_pubsub(const PubsubConfig& pubsub) {
  if (!pubsub.enabled) return;
  const auto is_name = [](const std::string& name) {
    return name.size() >= 3 && name.size() <= 255 && !name.starts_with("goog") &&
           ((name.front() >= 'a' && name.front() <= 'z') || (name.front() >= 'A' && name.front() <= 'Z'));
  };
  constexpr auto kNames = "must have 3 to 255 characters, begin with a letter, and not with goog";
  require(is_name(pubsub.subscription), "pubsub/subscription", kNames);
  require(is_name(pubsub.events_topic), "pubsub/events_topic", kNames);
  require(pubsub.dead_letter_topic.empty() || is_name(pubsub.dead_letter_topic), "pubsub/dead_letter_topic", kNames);
  require(pubsub.max_outstanding >= 1 && pubsub.max_outstanding <= 10'000, "pubsub/max_outstanding",
          "must be from 1 to 10000");
  require(pubsub.push_service_account.empty() || !pubsub.push_audience.empty(), "pubsub/push_audience",
          "must be given with push_service_account");
}

void check_mail(const MailConfig& mail) {
  if (mail.url.empty()) return;
  const auto begins = [&](std::string_view scheme) { return mail.url.starts_with(scheme); };
  require(begins("smtp://") || begins("smtps://") || begins("folder:"), "mail/url",
          "must be smtp://HOST:PORT, smtps://HOST:PORT or folder:PATH");
  require(mail.starttls.empty() || mail.starttls == "required" || mail.starttls == "no", "mail/starttls",
          "must be required or no");
  require(mail.sender.find('@') != std::string::npos, "mail/sender", "must be an e-mail address");
  require(mail.username.empty() == mail.password_file.empty(), "mail/password_file",
          "must be given with username, and not without");
  if (!mail.alerts_to.empty()) notify::validate_address("mail/alerts_to", mail.alerts_to);
}

}  // namespace

CloudConfig parse_cloud_config(std::string_view text) {
  json::Value written;
  try {
    written = to_json(toml::parse(text), json::kRoot);
  } catch (const toml::parse_error& error) {
    throw base::validation_error("line " + std::to_string(error.source().begin.line), std::string(error.description()));
  }
  auto whole = json::to_value(CloudConfig{});
  overlay(whole.as_object(), written.as_object(), json::kRoot);
  auto config = json::from_value<CloudConfig>(whole);
  check_google(config.google);
  check_workstations(config.workstations);
  check_pubsub(config.pubsub);
  check_mail(config.mail);
  tiers_of(config);
  return config;
}

CloudConfig read_cloud_config(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) throw base::system_error("reading " + file.string(), errno);
  return parse_cloud_config(text.str());
}

fleet::Tiers tiers_of(const CloudConfig& config) {
  if (config.tiers.empty()) return fleet::Tiers();
  std::vector<fleet::Tier> tiers;
  for (const auto& tier : config.tiers)
    tiers.push_back({tier.name, tier.machine_type, tier.vcpus, tier.memory_gb, tier.disk_gb,
                     tier.monthly_cost_usd.value_or(0), tier.config.value_or("")});
  return fleet::Tiers(std::move(tiers));
}

base::Duration duration_of(const std::string& text) { return base::parse_duration(text).value_or(base::Duration(0)); }

}  // namespace slipway::app
