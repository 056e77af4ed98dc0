// Who is signed in. The key lives in sessionStorage: it ends with the last tab and is never written to disk by us. Tabs
// of this hub share it, so that a link opened in a new one needs no signing in; signing out is for all of them.

const kStorageName = "slipway-key";

export class Session {
  /** Why the last key was refused, to be shown at sign-in. */
  error = null;
  #onChange;
  #tabs = new BroadcastChannel(kStorageName); // only pages of this origin hear it

  constructor(onChange) {
    this.#onChange = onChange;
    this.#tabs.onmessage = ({ data }) => this.#heard(data);
  }
  get key() {
    return sessionStorage.getItem(kStorageName);
  }
  signIn(key) {
    this.error = null;
    sessionStorage.setItem(kStorageName, key);
    this.#onChange();
  }
  signOut() {
    this.#tabs.postMessage({ forget: this.key });
    this.#forget();
  }
  /** Another tab may know the key; then this one is signed in a moment later. */
  askOtherTabs() {
    if (!this.key) this.#tabs.postMessage({ ask: true });
  }
  /** The hub answered 401. */
  refused(error) {
    if (!this.key) return;
    sessionStorage.removeItem(kStorageName);
    this.error = error;
    this.#onChange();
  }

  #heard({ ask, key, forget }) {
    if (ask && this.key) this.#tabs.postMessage({ key: this.key });
    if (key && !this.key) this.signIn(key);
    if (forget && forget === this.key) this.#forget();
  }
  #forget() {
    this.error = null;
    sessionStorage.removeItem(kStorageName);
    this.#onChange();
  }

  /**
   * The hub prints a link `/#key=slk_…`. The key is taken out of the address and the history before anything else
   * happens. True when there was one.
   */
  takeKeyFromAddress() {
    const match = /^#key=([^&]+)$/.exec(location.hash);
    if (!match) return false;
    history.replaceState(null, "", location.pathname + "#/workspaces");
    sessionStorage.setItem(kStorageName, decodeURIComponent(match[1]));
    this.error = null;
    return true;
  }
}
