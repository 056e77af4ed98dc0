#pragma once
// Mail to one person: over SMTP, or into a folder. How its text is put together: mail_message.h.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"

namespace slipway::notify {

enum class StartTls {
  required,  // without it nothing is said, not even who we are
  off,       // for loopback alone: what leaves the machine is encrypted (WP-21)
};

struct MailSettings {
  // smtp://HOST:PORT (25 if not given; 587 is usual with a user), smtps://HOST:PORT (465), or folder:PATH, where each
  // mail becomes a file.
  std::string url;
  std::optional<StartTls> starttls;  // of smtp://; absent: required, unless the host is loopback
  std::string username;              // empty: without AUTH
  base::Secret password;
  std::string sender = "noreply@coditect.ai";
  std::string sender_name = "Workstations";
  std::string reply_to;  // empty: none
  std::string ca_file;   // PEM; empty: the system's
  base::Duration timeout = std::chrono::seconds(60);
  base::Duration connect_timeout = std::chrono::seconds(10);
};

struct Mail {
  std::string to;  // one address
  std::string subject;
  std::string html;
  std::string text;
  // The same for every attempt of one mail, so that receivers may know a repetition: a run's id. Where it has no '@',
  // the sender's domain follows.
  std::string message_id;
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones: X-…, List-…
};

// Thread-safe.
class MailSender {
 public:
  virtual ~MailSender() = default;
  // Blocks until the server has taken the mail over, or the file is durable. For workers, never for the loop. What was
  // sent may arrive twice when an error is thrown after the server had it: mail cannot do better.
  //
  // Throws: transient MAIL_SERVER_UNAVAILABLE (no connection, or it broke), MAIL_TIMEOUT, MAIL_DEFERRED (the server
  // said 4xx: greylisting, full mailbox) and INTERRUPTED (`stop`); user MAIL_REFUSED (5xx of the recipient or the
  // message) and VALIDATION_ERROR (an address or header that cannot be); internal MAIL_AUTH_FAILED,
  // MAIL_SENDER_REFUSED, MAIL_TLS_FAILED, MAIL_NO_STARTTLS. Details have `smtpStatus` and `reply` where the server said
  // something.
  virtual void send(const Mail& mail, std::stop_token stop) = 0;
};

// Throws VALIDATION_ERROR naming the setting.
void validate(const MailSettings& settings);
// The same checks first. `clock` says when a mail was written; it outlives the sender.
std::unique_ptr<MailSender> make_mail_sender(MailSettings settings, const base::Clock& clock);

}  // namespace slipway::notify
