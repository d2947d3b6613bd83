// Starts the reference. Everything that would talk to anyone else is off.
Scalar.createApiReference('#reference', {
  url: 'openapi.json',
  proxyUrl: '',
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: 'never',
  hideClientButton: true,
  // A token is kept for as long as the tab is open, and no longer.
  persistAuth: false,
  authentication: { preferredSecurityScheme: 'bearer' },
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  featuredClients: ['shell/curl', 'python/requests', 'js/fetch'],
  operationTitleSource: 'summary',
  orderSchemaPropertiesBy: 'preserve',
  orderRequiredPropertiesFirst: false,
  documentDownloadType: 'json',
  metaData: { title: 'Bappy Partner API' },
  customCss: `
    :root { --scalar-font: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
            --scalar-font-code: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
    .light-mode { --scalar-color-accent: #0a7d68; --scalar-background-accent: #0a7d6814; }
    .dark-mode { --scalar-color-accent: #35c9ae; --scalar-background-accent: #35c9ae1a; }
  `,
})
