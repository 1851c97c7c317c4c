import { DEFAULT_SETTINGS, SETTINGS_ID, type SettingsSpec, type Snapshot } from '@signalbox/model'

/** What holds for the fleet; members that the stored settings are too old to have are standard. */
export function settingsOf({ settings }: Pick<Snapshot, 'settings'>): SettingsSpec {
  return { ...DEFAULT_SETTINGS, ...settings.get(SETTINGS_ID)?.spec }
}
