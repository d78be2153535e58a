// What the operator's page says beside strings.js.

export const deskStrings = {
  en: {
    desk: "Desk", deskActions: "Actions", deskOrders: "Orders", deskRefunds: "Refunds", all: "All", deskEmpty: "Nothing here.", unreadable: "The record of {id} cannot be read.", deskGone: "Its conversation was deleted.",
    deskPick: "Choose an action to see what it would do.", token: "Operator token",
    tokenText: "This page is for operators. Enter the token of this deployment.", enter: "Enter", tokenWrong: "This token is not accepted.",
    deskOff: "The operator routes of this server are switched off. Set an operator token to use them.", approve: "Approve", reject: "Reject",
    forColleagues: "For colleagues", forCustomer: "For the customer", reasonNeeded: "Please give a reason for colleagues.",
    firstApproval: "First approval", secondApproval: "Second approval", needsTwo: "Two operators must approve this.", oneOfTwo: "{name} has approved this. Another operator must approve it too.", tokenRole: "This token is for an operator without the role to see this page.", settleDone: "It was done", settleRejected: "It was not done",
    settleText: "Nobody knows whether this was carried out. Check the other system, then settle it.", decided: "Recorded.", doneAfter: "Done meanwhile in the same conversation:",
    notRecorded: "Not recorded:", acceptedAt: "Accepted", triedAt: "First tried", expiresAt: "Approval ends", attempts: "Attempts",
    amount: "Amount", older: "Show older ones", newer: "Show newer ones", oldest: "Waiting longest: {ago}", settleRetry: "Try again", live: "Live",
    notLive: "Not connected", signOut: "Sign out",
    decisions: { approve: "Approved", reject: "Rejected", settle_done: "Settled as done", settle_rejected: "Settled as not done", settle_retry: "Tried again" },
    states: { proposed: "Needs approval", queued: "Queued", running: "Running", done: "Done", rejected: "Rejected", unknown: "Unknown" },
  },
  de: {
    desk: "Leitstand", deskActions: "Aktionen", deskOrders: "Bestellungen", deskRefunds: "Erstattungen", all: "Alle", deskEmpty: "Hier ist nichts.", unreadable: "Der Eintrag von {id} ist nicht lesbar.", deskGone: "Ihre Unterhaltung wurde gelöscht.",
    deskPick: "Wähle eine Aktion, um zu sehen, was sie tun würde.", token: "Zugangsschlüssel",
    tokenText: "Diese Seite ist für das Personal. Gib den Schlüssel dieser Installation ein.", enter: "Weiter",
    tokenWrong: "Dieser Schlüssel gilt nicht.", deskOff: "Die Personalseiten dieses Servers sind abgeschaltet. Sie brauchen einen Zugangsschlüssel.",
    approve: "Freigeben", reject: "Ablehnen", forColleagues: "Für das Team", forCustomer: "Für die Kundschaft", reasonNeeded: "Bitte gib einen Grund für das Team an.",
    firstApproval: "Erste Freigabe", secondApproval: "Zweite Freigabe", needsTwo: "Zwei Personen müssen das freigeben.", oneOfTwo: "{name} hat das freigegeben. Noch eine Person muss es freigeben.", tokenRole: "Mit diesem Schlüssel ist diese Seite nicht zu sehen: Die Rolle fehlt.", settleDone: "Es ist geschehen",
    settleRejected: "Es ist nicht geschehen", settleText: "Niemand weiß, ob das ausgeführt wurde. Prüfe das andere System und entscheide dann.",
    decided: "Festgehalten.", doneAfter: "Inzwischen in derselben Unterhaltung erledigt:", notRecorded: "Nicht festgehalten:", acceptedAt: "Angenommen", triedAt: "Zuerst versucht", expiresAt: "Freigabe endet",
    amount: "Betrag", older: "Ältere zeigen", newer: "Neuere zeigen", oldest: "Wartet am längsten: {ago}", settleRetry: "Noch einmal versuchen",
    attempts: "Versuche", live: "Live", notLive: "Nicht verbunden", signOut: "Abmelden",
    decisions: { approve: "Freigegeben", reject: "Abgelehnt", settle_done: "Als erledigt festgehalten", settle_rejected: "Als nicht erledigt festgehalten", settle_retry: "Noch einmal versucht" },
    states: { proposed: "Freigabe nötig", queued: "Wartend", running: "Läuft", done: "Erledigt", rejected: "Abgelehnt", unknown: "Unklar" },
  },
};
