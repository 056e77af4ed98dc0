#include "app/cloud.h"

#include "api/pubsub_push.h"
#include "app/mail_setup.h"
#include "app/version.h"
#include "base/digest.h"
#include "fleet/hub_setting.h"
#include "google/api_client.h"
#include "google/credentials.h"
#include "google/oidc_verifier.h"
#include "google/pubsub_client.h"
#include "google/pubsub_publisher.h"
#include "google/pubsub_puller.h"
#include "google/workstations_client.h"
#include "net/http_client.h"
#include "workflows/message_dead_letter.h"
#include "workflows/workstation_changes.h"
#include "workflows/workstation_provision.h"
#include "workflows/workstation_setup.h"
#include "workflows/workstation_sweep.h"

namespace slipway::app {
namespace {

constexpr std::size_t kHubIdLength = 12;  // of a label's 63 characters
constexpr std::string_view kHubIdSetting = "hub-id";
// Pulls and lists are long; a thousand provisionings look now and then.
constexpr net::ClientLimits kConnections{.connections_per_host = 64, .connections_total = 256};

// By which a hub knows its workstations in the cloud. Made of the sealing key at first, and then kept: under another
// key it still is the same hub.
std::string hub_id_of(const CloudNeeds& needs) {
  auto id = base::sha256_hex(needs.sealer.derive("hub-id").reveal()).substr(0, kHubIdLength);
  needs.database.write_and_wait([&](store::Transaction& tx) { id = fleet::hub_setting(tx, kHubIdSetting, id); });
  return id;
}

google::Endpoints endpoints_of(const CloudConfig& config) {
  const auto& given = config.google.endpoints;
  google::Endpoints endpoints;
  const auto set = [](std::string& endpoint, const std::string& value) {
    if (!value.empty()) endpoint = value;
  };
  set(endpoints.workstations, given.workstations);
  set(endpoints.pubsub, given.pubsub);
  set(endpoints.compute, given.compute);
  set(endpoints.oauth_token, given.oauth_token);
  set(endpoints.sts, given.sts);
  set(endpoints.iam_credentials, given.iam_credentials);
  set(endpoints.metadata, given.metadata);
  set(endpoints.certificates, config.pubsub.push_keys_url);
  google::check_endpoints(endpoints);
  return endpoints;
}

google::CredentialSettings credentials_of(const CloudConfig& config) {
  using google::CredentialKind;
  const auto& text = config.google.credentials;
  google::CredentialSettings settings;
  if (text == "metadata")
    settings.kind = CredentialKind::metadata;
  else if (text == "none")
    settings.kind = CredentialKind::none;
  else if (!text.empty())
    settings.kind = CredentialKind::file;
  if (settings.kind == CredentialKind::file) settings.file = text;
  return settings;
}

workflows::WorkstationLimits limits_of(const WorkstationsConfig& config) {
  workflows::WorkstationLimits limits;
  limits.slow_after = duration_of(config.slow_after);
  limits.give_up_after = duration_of(config.give_up_after);
  limits.poll_every = duration_of(config.poll_every);
  limits.first_look_after = std::min(limits.first_look_after, limits.poll_every);
  limits.quota_wait_first = duration_of(config.quota_wait_first);
  return limits;
}

workflows::MachineSettings machines_of(const WorkstationsConfig& config) {
  return {.container_image = config.container_image,
          .service_account = config.service_account,
          .public_ip = config.public_ip,
          .idle_timeout = duration_of(config.idle_timeout),
          .running_timeout = duration_of(config.running_timeout)};
}

}  // namespace

struct Cloud::Impl {
  Impl(const CloudConfig& given, CloudNeeds parts);
  std::string publish(const workflows::Publication& publication, std::stop_token stop);

  const CloudNeeds needs;
  const CloudConfig config;
  const google::Endpoints endpoints = endpoints_of(config);
  const fleet::Tiers tiers = tiers_of(config);
  net::HttpClient http{kConnections};
  std::unique_ptr<google::TokenSource> tokens;
  google::ApiClient api;
  google::WorkstationsClient workstations{api, endpoints.workstations};
  providers::workstations::WorkstationCloud provider;
  providers::workstations::StateWatch watch;
  google::PubsubClient pubsub{api, endpoints.pubsub};
  google::PubsubPublisher publisher;
  std::unique_ptr<notify::MailSender> mail;
  workflows::WorkstationServices services;
  workflows::WorkstationIntake intake;
  std::optional<google::PubsubPuller> puller;
  std::optional<google::OidcVerifier> verifier;
  std::optional<api::PubsubPush> push;
  bool is_pulling = false;
};

namespace {

std::string dead_letter_topic(const CloudConfig& config) {
  if (config.pubsub.dead_letter_topic.empty()) return {};
  return google::topic_name("pubsub/dead_letter_topic", config.google.project, config.pubsub.dead_letter_topic);
}

}  // namespace

Cloud::Impl::Impl(const CloudConfig& given, CloudNeeds parts)
    : needs(std::move(parts)),
      config(given),
      tokens(google::make_credentials(credentials_of(config), endpoints, http, needs.clock)),
      api(http, *tokens, needs.clock, needs.metrics, {.user_agent = "slipway/" + std::string(kVersion)}),
      provider(workstations, hub_id_of(needs)),
      watch(workstations, needs.clock, {.interval_min = duration_of(config.workstations.watch_every)}, needs.poke),
      publisher(pubsub, needs.metrics),
      mail(make_mail_sender(config.mail, needs.clock)),
      services{.database = needs.database,
               .sealer = needs.sealer,
               .tiers = tiers,
               .cloud = provider,
               .watch = watch,
               .clock = needs.clock,
               .random = needs.random,
               .location = {config.google.project, config.google.location},
               .default_cluster = config.workstations.default_cluster,
               .launch_url = config.workstations.launch_url,
               .limits = limits_of(config.workstations)},
      intake({.database = needs.database,
              .engine = needs.engine,
              .loop = needs.loop,
              .clock = needs.clock,
              .ids = needs.ids,
              .random = needs.random,
              .tiers = tiers,
              .metrics = needs.metrics,
              .log = needs.log},
             {.dead_letter_topic = dead_letter_topic(config)}) {
  if (!config.pubsub.push_service_account.empty()) {
    verifier.emplace(google::OidcSettings{.audience = config.pubsub.push_audience,
                                          .jwks_url = endpoints.certificates,
                                          .email = config.pubsub.push_service_account,
                                          .ca_file = {}},
                     http, needs.clock);
    push.emplace(api::PubsubPush{.verifier = *verifier,
                                 .intake = intake,
                                 .subscription = google::subscription_name("pubsub/subscription", config.google.project,
                                                                           config.pubsub.subscription)});
  }
  if (config.pubsub.enabled && config.pubsub.pull) {
    const auto subscription =
        google::subscription_name("pubsub/subscription", config.google.project, config.pubsub.subscription);
    google::PullerSettings settings{.subscription = subscription};
    settings.messages_max = std::size_t(config.pubsub.max_outstanding);
    puller.emplace(pubsub, settings, intake.handler(subscription), needs.random, needs.metrics, needs.log);
  }
  if (mail)
    services.announce.send_mail = [this](const workflows::ReadyMail& ready, std::stop_token stop) {
      mail->send(ready_mail(ready), stop);
    };
  if (config.pubsub.enabled)
    services.announce.publish = [this](const workflows::Publication& publication, std::stop_token stop) {
      return publish(publication, stop);
    };
}

std::string Cloud::Impl::publish(const workflows::Publication& publication, std::stop_token stop) {
  const auto topic = google::topic_name("pubsub/events_topic", config.google.project, config.pubsub.events_topic);
  return publisher.publish(topic,
                           {.data = json::print_value(publication.data),
                            .attributes = {{"event_id", publication.event_id}, {"type", publication.type}},
                            .ordering_key = {},
                            .id = {},
                            .published_at = {}},
                           stop);
}

Cloud::Cloud(const CloudConfig& config, CloudNeeds needs) : impl_(std::make_unique<Impl>(config, std::move(needs))) {}
Cloud::~Cloud() = default;

void Cloud::add_workflows(durable::Engine& engine) {
  using namespace workflows;
  const auto& services = impl_->services;
  engine.add(
      durable::make_workflow<ProvisionRequest, Provisioned>(std::make_shared<const WorkstationProvision>(services)));
  engine.add(durable::make_workflow<WorkstationRequest, void>(std::make_shared<const WorkstationStart>(services)));
  engine.add(durable::make_workflow<WorkstationRequest, void>(std::make_shared<const WorkstationStop>(services)));
  engine.add(durable::make_workflow<WorkstationRequest, void>(std::make_shared<const WorkstationOffboard>(services)));
  engine.add(durable::make_workflow<WorkstationRequest, void>(std::make_shared<const WorkstationChangeTier>(services)));
  engine.add(durable::make_workflow<SetupRequest, SetupReport>(
      std::make_shared<const WorkstationSetup>(services, machines_of(impl_->config.workstations))));
  engine.add(durable::make_workflow<SweepRequest, SweepReport>(std::make_shared<const WorkstationSweep>(services)));
  engine.add(durable::make_workflow<DeadLetterRequest, DeadLetter>(
      std::make_shared<const MessageDeadLetter>(impl_->needs.database, impl_->publisher)));
}

void Cloud::add_schedules(durable::Scheduler& scheduler) const {
  const auto& every = impl_->config.workstations.sweep_every;
  if (duration_of(every).count() == 0) return;
  scheduler.declare({.name = std::string(workflows::WorkstationSweep::kType),
                     .type = std::string(workflows::WorkstationSweep::kType),
                     .cron = "every " + every,
                     .jitter_ms = duration_of(every) / 10,
                     .catch_up_ms = duration_of(every)});
}

const workflows::WorkstationServices& Cloud::services() const { return impl_->services; }
api::PubsubPush* Cloud::push() { return impl_->push ? &*impl_->push : nullptr; }
notify::MailSender* Cloud::mail() { return impl_->mail.get(); }
workflows::WorkstationIntake& Cloud::intake() { return impl_->intake; }

void Cloud::start_pulling() {
  if (impl_->puller && !std::exchange(impl_->is_pulling, true)) impl_->puller->start();
}

void Cloud::stop_pulling() {
  if (impl_->puller) impl_->puller->stop();
  impl_->intake.stop();
}

const CloudConfig& Cloud::config() const { return impl_->config; }

}  // namespace slipway::app
