//! End-to-end tests of Baton from outside: processes, sockets, a browser.
