"""The part of Stash's GraphQL schema (v0.30) that PlexSync may use, as a compact table, and its introspection.

Owns names and types only. A name that is not here is refused by the test server, as Stash refuses what it does not
know.
"""

from __future__ import annotations

import re
from typing import Any

from tests.servers.graphql import TypeRef, parse_type
from tests.servers.graphql_run import FieldDef, TypeDef

_KINDS = {"type": "OBJECT", "interface": "INTERFACE", "input": "INPUT_OBJECT", "enum": "ENUM"}
_ENTITY = "id:ID! name:String! created_at:Time! updated_at:Time! stash_ids:[StashID!]! image_path:String"
_DATES = "created_at:TimestampCriterionInput updated_at:TimestampCriterionInput"
_JOIN = "AND:{0} OR:{0} NOT:{0}"

TABLE = f"""
type Query findScene(id:ID):Scene
 findScenes(scene_filter:SceneFilterType,scene_ids:[Int!],ids:[ID!],filter:FindFilterType):FindScenesResultType!
 findPerformer(id:ID!):Performer
 findPerformers(performer_filter:PerformerFilterType,filter:FindFilterType,performer_ids:[Int!],ids:[ID!]):FindPerformersResultType!
 findStudio(id:ID!):Studio
 findStudios(studio_filter:StudioFilterType,filter:FindFilterType,ids:[ID!]):FindStudiosResultType!
 findTag(id:ID!):Tag findTags(tag_filter:TagFilterType,filter:FindFilterType,ids:[ID!]):FindTagsResultType!
 findFiles(file_filter:FileFilterType,filter:FindFilterType,ids:[ID!]):FindFilesResultType!
 availablePackages(type:PackageType!,source:String!):[Package!]!
 plugins:[Plugin!] configuration:ConfigResult! systemStatus:SystemStatus! version:Version!
 jobQueue:[Job!] findJob(input:FindJobInput!):Job __schema:__Schema! __type(name:String!):__Type
type Mutation sceneUpdate(input:SceneUpdateInput!):Scene scenesUpdate(input:[SceneUpdateInput!]!):[Scene]
 bulkSceneUpdate(input:BulkSceneUpdateInput!):[Scene!] tagCreate(input:TagCreateInput!):Tag
 performerCreate(input:PerformerCreateInput!):Performer studioCreate(input:StudioCreateInput!):Studio
 configureGeneral(input:ConfigGeneralInput!):ConfigGeneralResult! metadataScan(input:ScanMetadataInput!):ID!
 installPackages(type:PackageType!,packages:[PackageSpecInput!]!):ID!
 uninstallPackages(type:PackageType!,packages:[PackageSpecInput!]!):ID!
 configurePlugin(plugin_id:ID!,input:Map!):Map! runPluginOperation(plugin_id:ID!,args:Map):Any
 runPluginTask(plugin_id:ID!,task_name:String,description:String,args_map:Map):ID! stopJob(job_id:ID!):Boolean!
type Scene id:ID! title:String code:String details:String director:String urls:[String!]! date:String rating100:Int
 organized:Boolean! created_at:Time! updated_at:Time! files:[VideoFile!]! paths:ScenePathsType! studio:Studio
 tags:[Tag!]! performers:[Performer!]! stash_ids:[StashID!]!
type VideoFile id:ID! path:String! basename:String! mod_time:Time! size:Int64! duration:Float!
 fingerprints:[Fingerprint!]! fingerprint(type:String!):String created_at:Time! updated_at:Time!
interface BaseFile id:ID! path:String! basename:String! mod_time:Time! size:Int64! created_at:Time! updated_at:Time!
type Fingerprint type:String! value:String!
type ScenePathsType screenshot:String stream:String
type Studio {_ENTITY} parent_studio:Studio aliases:[String!]! urls:[String!]!
type Performer {_ENTITY} disambiguation:String alias_list:[String!]! favorite:Boolean!
type Tag {_ENTITY} sort_name:String aliases:[String!]!
type StashID endpoint:String! stash_id:String! updated_at:Time!
type FindScenesResultType count:Int! duration:Float! filesize:Float! scenes:[Scene!]!
type FindFilesResultType count:Int! duration:Float! size:Int! files:[BaseFile!]!
type FindPerformersResultType count:Int! performers:[Performer!]!
type FindStudiosResultType count:Int! studios:[Studio!]!
type FindTagsResultType count:Int! tags:[Tag!]!
type ConfigResult general:ConfigGeneralResult! plugins(include:[ID!]):PluginConfigMap!
type ConfigGeneralResult apiKey:String! username:String! maxSessionAge:Int! pluginsPath:String! pythonPath:String!
 configFilePath:String! logLevel:String! stashes:[StashConfig!]! pluginPackageSources:[PackageSource!]!
type PackageSource name:String url:String! local_path:String
type Package package_id:String! name:String! version:String date:Timestamp requires:[Package!]! sourceURL:String!
 source_package:Package metadata:Map!
type StashConfig path:String! excludeVideo:Boolean! excludeImage:Boolean!
type Version version:String hash:String! build_time:String!
type SystemStatus status:SystemStatusEnum! appSchema:Int! databaseSchema:Int os:String!
 workingDir:String! configPath:String
type Plugin id:ID! name:String! description:String url:String version:String enabled:Boolean! requires:[ID!]
 tasks:[PluginTask!] hooks:[PluginHook!] settings:[PluginSetting!] paths:PluginPaths!
type PluginTask name:String! description:String
type PluginHook name:String! description:String hooks:[String!]
type PluginSetting name:String! display_name:String description:String type:PluginSettingTypeEnum!
type PluginPaths javascript:[String!] css:[String!]
enum PluginSettingTypeEnum STRING NUMBER BOOLEAN
type Job id:ID! status:JobStatus! subTasks:[String!] description:String! progress:Float
 startTime:Time endTime:Time addTime:Time! error:String
enum PackageType Scraper Plugin
enum SystemStatusEnum SETUP NEEDS_MIGRATION OK
enum JobStatus READY RUNNING FINISHED STOPPING CANCELLED FAILED
enum SortDirectionEnum ASC DESC
enum BulkUpdateIdMode SET ADD REMOVE
enum CriterionModifier EQUALS NOT_EQUALS GREATER_THAN LESS_THAN IS_NULL NOT_NULL INCLUDES_ALL INCLUDES EXCLUDES
 MATCHES_REGEX NOT_MATCHES_REGEX BETWEEN NOT_BETWEEN
input FindFilterType q:String page:Int per_page:Int sort:String direction:SortDirectionEnum
input FindJobInput id:ID!
input StringCriterionInput value:String! modifier:CriterionModifier!
input IntCriterionInput value:Int! value2:Int modifier:CriterionModifier!
input TimestampCriterionInput value:String! value2:String modifier:CriterionModifier!
input MultiCriterionInput value:[ID!] modifier:CriterionModifier! excludes:[ID!]
input HierarchicalMultiCriterionInput value:[ID!] modifier:CriterionModifier! depth:Int excludes:[ID!]
input StashIDCriterionInput endpoint:String stash_id:String modifier:CriterionModifier!
input SceneFilterType {_JOIN.format("SceneFilterType")} id:IntCriterionInput title:StringCriterionInput
 details:StringCriterionInput path:StringCriterionInput duration:IntCriterionInput
 rating100:IntCriterionInput organized:Boolean is_missing:String
 studios:HierarchicalMultiCriterionInput tags:HierarchicalMultiCriterionInput performers:MultiCriterionInput
 stash_id_endpoint:StashIDCriterionInput performers_filter:PerformerFilterType studios_filter:StudioFilterType
 tags_filter:TagFilterType files_filter:FileFilterType {_DATES}
input PerformerFilterType {_JOIN.format("PerformerFilterType")}
 name:StringCriterionInput scenes_filter:SceneFilterType {_DATES}
input StudioFilterType {_JOIN.format("StudioFilterType")}
 name:StringCriterionInput scenes_filter:SceneFilterType {_DATES}
input TagFilterType {_JOIN.format("TagFilterType")} name:StringCriterionInput scenes_filter:SceneFilterType {_DATES}
input FileFilterType {_JOIN.format("FileFilterType")} path:StringCriterionInput basename:StringCriterionInput
 mod_time:TimestampCriterionInput {_DATES}
input StashIDInput endpoint:String! stash_id:String! updated_at:Time
input SceneUpdateInput clientMutationId:String id:ID! title:String code:String details:String director:String
 urls:[String!] date:String rating100:Int organized:Boolean studio_id:ID performer_ids:[ID!] tag_ids:[ID!]
 cover_image:String stash_ids:[StashIDInput!]
input BulkUpdateIds ids:[ID!] mode:BulkUpdateIdMode!
input BulkSceneUpdateInput clientMutationId:String ids:[ID!] title:String details:String date:String rating100:Int
 organized:Boolean studio_id:ID performer_ids:BulkUpdateIds tag_ids:BulkUpdateIds
input TagCreateInput name:String! sort_name:String description:String aliases:[String!]
input PerformerCreateInput name:String! disambiguation:String
input StudioCreateInput name:String! parent_id:ID
input ConfigGeneralInput stashes:[StashConfigInput!] pluginPackageSources:[PackageSourceInput!]
input StashConfigInput path:String! excludeVideo:Boolean! excludeImage:Boolean!
input PackageSourceInput name:String url:String! local_path:String
input PackageSpecInput id:String! sourceURL:String!
input ScanMetadataInput paths:[String!] rescan:Boolean scanGenerateCovers:Boolean
type __Schema types:[__Type!]! queryType:__Type! mutationType:__Type
type __Type kind:String! name:String description:String fields(includeDeprecated:Boolean):[__Field!]
 inputFields:[__InputValue!] interfaces:[__Type!] enumValues(includeDeprecated:Boolean):[__EnumValue!]
 possibleTypes:[__Type!] ofType:__Type
type __Field name:String! description:String args:[__InputValue!]! type:__Type!
 isDeprecated:Boolean! deprecationReason:String
type __InputValue name:String! description:String type:__Type! defaultValue:String
type __EnumValue name:String! description:String isDeprecated:Boolean! deprecationReason:String
"""

_ENTRY = re.compile(r"(\w+)(?:\(([^)]*)\))?:(\S+)")


def load(table: str = TABLE) -> dict[str, TypeDef]:
    """The table as types by name."""
    types: dict[str, TypeDef] = {}
    for head in re.split(r"\n(?! )", table.strip()):
        word, name, rest = head.replace("\n", " ").split(" ", 2)
        if word == "enum":
            types[name] = TypeDef(name, "ENUM", values=tuple(rest.split()))
        else:
            types[name] = TypeDef(name, _KINDS[word], {one[1]: _field(one) for one in _ENTRY.finditer(rest)})
    return types


def _field(found: re.Match[str]) -> FieldDef:
    pairs = (one.split(":") for one in (found[2] or "").split(",") if one)
    return FieldDef(parse_type(found[3]), {name: parse_type(text) for name, text in pairs})


def introspection(types: dict[str, TypeDef]) -> dict[str, Any]:
    """What ``__schema`` answers; scalars are all names that no line of the table defines."""
    used = {ref for one in types.values() for field in one.fields.values() for ref in _names(field)}
    listed = [_describe(one, types) for one in types.values()]
    listed += [_shell("SCALAR", name) for name in sorted(used - types.keys())]
    by_name = {one["name"]: one for one in listed}
    return {"types": listed, "queryType": by_name["Query"], "mutationType": by_name["Mutation"]}


def _names(field: FieldDef) -> set[str]:
    return {field.type.base, *(ref.base for ref in field.arguments.values())}


def _shell(kind: str, name: str | None, of: Any = None) -> dict[str, Any]:
    """A ``__Type`` of which only the outline is told."""
    return {
        "kind": kind, "name": name, "description": "", "ofType": of, "fields": None, "inputFields": None,
        "interfaces": [] if kind in ("OBJECT", "INTERFACE") else None, "enumValues": None, "possibleTypes": None,
    }  # fmt: skip


def _ref(ref: TypeRef, types: dict[str, TypeDef]) -> dict[str, Any]:
    if ref.required:
        return _shell("NON_NULL", None, _ref(TypeRef(ref.name, ref.of), types))
    if ref.of is not None:
        return _shell("LIST", None, _ref(ref.of, types))
    return _shell(types[ref.name].kind if ref.name in types else "SCALAR", ref.name)


def _describe(one: TypeDef, types: dict[str, TypeDef]) -> dict[str, Any]:
    described = _shell(one.kind, one.name)
    alive = {"description": "", "isDeprecated": False, "deprecationReason": None}

    def value(name: str, ref: TypeRef) -> dict[str, Any]:
        return {"name": name, "description": "", "type": _ref(ref, types), "defaultValue": None}

    if one.kind == "ENUM":
        described["enumValues"] = [{"name": name, **alive} for name in one.values]
    elif one.kind == "INPUT_OBJECT":
        described["inputFields"] = [value(name, field.type) for name, field in one.fields.items()]
    else:
        described["fields"] = [
            {
                "name": name,
                "type": _ref(field.type, types),
                "args": [value(*pair) for pair in field.arguments.items()],
                **alive,
            }
            for name, field in one.fields.items()
            if not name.startswith("__")
        ]
    return described
