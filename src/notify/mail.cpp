#include "notify/mail.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/unique_fd.h"
#include "net/url.h"
#include "notify/mail_message.h"

namespace slipway::notify {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorClass;

constexpr std::string_view kFolder = "folder:";
constexpr std::size_t kReplyMax = 300;  // of what a server says, in our messages
// The commands of which it matters that they were refused.
constexpr std::string_view kRecipient = "RCPT", kSender = "MAIL", kBody = "DATA";

bool is_loopback(const net::Url& url) {
  if (const auto address = url.address()) return address->is_loopback();
  return url.host == "localhost" || url.host.ends_with(".localhost");  // RFC 6761 §6.3
}

StartTls starttls_of(const MailSettings& settings, const net::Url& url) {
  return settings.starttls.value_or(is_loopback(url) ? StartTls::off : StartTls::required);
}

// ---- into a folder

// One file for each message id: who sends it again writes the same file.
class FolderSender final : public MailSender {
 public:
  FolderSender(MailSettings settings, const base::Clock& clock) : settings_(std::move(settings)), clock_(clock) {}

  void send(const Mail& mail, std::stop_token) override {
    const fs::path folder = settings_.url.substr(kFolder.size());
    std::string name = message_id_of(settings_, mail);
    std::ranges::replace(name, '/', '_');
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw base::system_error("making the mail folder " + folder.string(), failure.value());
    const auto file = folder / (name + ".eml");
    write_file(file.string() + ".part", compose_mail(settings_, mail, clock_.now()));
    fs::rename(file.string() + ".part", file, failure);
    if (failure) throw base::system_error("writing " + file.string(), failure.value());
  }

 private:
  static void write_file(const std::string& path, const std::string& text) {
    const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) throw base::system_error("open " + path, errno);
    for (std::size_t done = 0; done < text.size();) {
      const auto written = ::write(fd.get(), text.data() + done, text.size() - done);
      if (written < 0 && errno != EINTR) throw base::system_error("write " + path, errno);
      done += written > 0 ? std::size_t(written) : 0;
    }
    if (::fsync(fd.get()) != 0) throw base::system_error("sync " + path, errno);
  }

  const MailSettings settings_;
  const base::Clock& clock_;
};

// ---- over SMTP

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One mail under way.
struct Delivery {
  std::string message;
  std::size_t given = 0;
  std::stop_token stop;
  std::string verb;          // of the command that was sent last
  std::string refused_verb;  // of the last one that was answered with 4xx or 5xx,
  std::string reply;         // and that answer
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* of) {
  auto& delivery = *static_cast<Delivery*>(of);
  const auto piece = std::min(size * count, delivery.message.size() - delivery.given);
  std::memcpy(buffer, delivery.message.data() + delivery.given, piece);
  delivery.given += piece;
  return piece;
}

int on_progress(void* of, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Delivery*>(of)->stop.stop_requested() ? 1 : 0;
}

// What both sides say. Of ours only the verb is kept: the rest may be a password.
int on_dialogue(CURL*, curl_infotype kind, char* data, std::size_t size, void* of) {
  auto& delivery = *static_cast<Delivery*>(of);
  const std::string_view line(data, size);
  if (kind == CURLINFO_HEADER_OUT) delivery.verb = line.substr(0, std::min(line.find_first_of(" \r\n"), line.size()));
  if (kind == CURLINFO_HEADER_IN && (line.starts_with('4') || line.starts_with('5'))) {
    delivery.refused_verb = delivery.verb;
    delivery.reply = line;
  }
  return 0;
}

// A child process must not inherit the connection.
int on_socket(void*, curl_socket_t socket, curlsocktype) {
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  return CURL_SOCKOPT_OK;
}

std::string printable(std::string_view text) {
  std::string clean;
  for (const unsigned char c : text.substr(0, kReplyMax)) clean += c >= ' ' && c < 0x7f ? char(c) : ' ';
  clean.erase(clean.find_last_not_of(' ') + 1);
  return clean;
}

// The server said no.
Error refusal(const std::string& server, const Delivery& delivery, long status, bool is_login) {
  const auto reply = printable(delivery.reply);
  const boost::json::object details{{"smtpStatus", status}, {"reply", reply}};
  const auto answered = " (" + server + " answered: " + reply + ")";
  if (status < 500)
    return {ErrorClass::transient, "MAIL_DEFERRED", "the mail server does not take the mail now" + answered, details};
  if (is_login)
    return {ErrorClass::internal, "MAIL_AUTH_FAILED", "the mail server does not let us in" + answered, details};
  if (delivery.refused_verb == kRecipient)
    return {ErrorClass::user, "MAIL_REFUSED", "the mail server refuses the recipient" + answered, details};
  if (delivery.refused_verb == kBody)
    return {ErrorClass::user, "MAIL_REFUSED", "the mail server refuses the message" + answered, details};
  if (delivery.refused_verb == kSender)
    return {ErrorClass::internal, "MAIL_SENDER_REFUSED", "the mail server refuses the sender" + answered, details};
  return {ErrorClass::internal, "MAIL_SENDER_REFUSED", "the mail server does not talk to us" + answered, details};
}

Error failure(const std::string& server, const Delivery& delivery, CURLcode code, long status) {
  const auto why = ": " + std::string(delivery.error[0] ? delivery.error : curl_easy_strerror(code));
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return {ErrorClass::transient, "INTERRUPTED", "told to stop while the mail was being sent"};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorClass::transient, "MAIL_TIMEOUT", "the mail server " + server + " takes too long" + why};
    case CURLE_USE_SSL_FAILED:
      return {ErrorClass::internal, "MAIL_NO_STARTTLS",
              "the mail server " + server + " does not offer STARTTLS: nothing is sent in clear text"};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return {ErrorClass::internal, "MAIL_TLS_FAILED", "no trusted connection to the mail server " + server + why};
    default:
      break;
  }
  const bool is_login = code == CURLE_LOGIN_DENIED;
  if (status >= 400 && status < 600) return refusal(server, delivery, status, is_login);
  if (is_login) return {ErrorClass::internal, "MAIL_AUTH_FAILED", "no login to the mail server " + server + why};
  return {ErrorClass::transient, "MAIL_SERVER_UNAVAILABLE", "the mail server " + server + " cannot be reached" + why};
}

class SmtpSender final : public MailSender {
 public:
  SmtpSender(MailSettings settings, const base::Clock& clock)
      : settings_(std::move(settings)), url_(net::parse_url(settings_.url).value()), clock_(clock) {}

  void send(const Mail& mail, std::stop_token stop) override {
    Delivery delivery{.message = compose_mail(settings_, mail, clock_.now()), .stop = std::move(stop)};
    const std::unique_ptr<CURL, EasyDeleter> easy(curl_easy_init());
    const std::unique_ptr<curl_slist, ListDeleter> recipients(
        curl_slist_append(nullptr, ("<" + mail.to + ">").c_str()));
    if (!easy || !recipients) throw std::bad_alloc();
    prepare(easy.get(), delivery);
    curl_easy_setopt(easy.get(), CURLOPT_MAIL_RCPT, recipients.get());
    const auto code = curl_easy_perform(easy.get());
    if (code == CURLE_OK) return;
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    throw failure(url_.host + ":" + std::to_string(url_.port), delivery, code, status);
  }

 private:
  void prepare(CURL* handle, Delivery& delivery) const {
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, delivery.error);
    curl_easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(handle, CURLOPT_URL, settings_.url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, long(settings_.timeout.count()));
    curl_easy_setopt(handle, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                     long(std::chrono::ceil<std::chrono::seconds>(settings_.timeout).count()));
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, long(settings_.connect_timeout.count()));
    if (starttls_of(settings_, url_) == StartTls::required)
      curl_easy_setopt(handle, CURLOPT_USE_SSL, long(CURLUSESSL_ALL));
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, long(CURL_SSLVERSION_TLSv1_2));
    if (!settings_.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, settings_.ca_file.c_str());
    if (!settings_.username.empty()) {
      curl_easy_setopt(handle, CURLOPT_USERNAME, settings_.username.c_str());
      curl_easy_setopt(handle, CURLOPT_PASSWORD, settings_.password.reveal().c_str());
    }
    curl_easy_setopt(handle, CURLOPT_MAIL_FROM, ("<" + settings_.sender + ">").c_str());
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(handle, CURLOPT_READDATA, &delivery);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(delivery.message.size()));
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &delivery);
    curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);  // for on_dialogue alone
    curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, on_dialogue);
    curl_easy_setopt(handle, CURLOPT_DEBUGDATA, &delivery);
  }

  const MailSettings settings_;
  const net::Url url_;
  const base::Clock& clock_;
};

void validate_smtp(const MailSettings& settings) {
  const auto url = net::parse_url(settings.url);
  if (!url || (url->scheme != "smtp" && url->scheme != "smtps"))
    throw base::validation_error("url", "must be smtp://HOST:PORT, smtps://HOST:PORT or folder:PATH");
  if (url->has_user) throw base::validation_error("url", "must not carry a user or password: they are settings");
  if (starttls_of(settings, *url) == StartTls::off && url->scheme == "smtp" && !is_loopback(*url))
    throw base::validation_error("starttls", "may be off for loopback only: mail does not leave in clear text");
  if (settings.username.empty() != settings.password.empty())
    throw base::validation_error("password", "must be given with username, and not without");
  if (settings.timeout.count() <= 0 || settings.connect_timeout.count() <= 0)
    throw base::validation_error("timeout", "must be more than 0");
}

}  // namespace

void validate(const MailSettings& settings) {
  validate_address("sender", settings.sender);
  if (!settings.reply_to.empty()) validate_address("reply_to", settings.reply_to);
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  if (std::ranges::any_of(settings.sender_name, is_control))
    throw base::validation_error("sender_name", "must not have control characters");
  if (!settings.url.starts_with(kFolder)) return validate_smtp(settings);
  if (settings.url.size() == kFolder.size()) throw base::validation_error("url", "must name a folder after folder:");
}

std::unique_ptr<MailSender> make_mail_sender(MailSettings settings, const base::Clock& clock) {
  validate(settings);
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialized != CURLE_OK) throw base::internal_error("libcurl cannot be initialized");
  if (settings.url.starts_with(kFolder)) return std::make_unique<FolderSender>(std::move(settings), clock);
  return std::make_unique<SmtpSender>(std::move(settings), clock);
}

}  // namespace slipway::notify
