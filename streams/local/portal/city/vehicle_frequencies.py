"""How often what occurs in units and vehicles: shares of the published table, rounded."""

from streams.local.portal.city.draws import Table

UNIT_TYPE = Table({
    "DRIVER": 1, "PARKED": 1, "DRIVERLESS": 1, "PEDESTRIAN": 1, "BICYCLE": 1, "NON-MOTOR VEHICLE": 1,
    "NON-CONTACT VEHICLE": 1, "DISABLED VEHICLE": 1, None: 1,
})  # fmt: skip
PASSENGERS = Table({
    "1": 706, "2": 186, "3": 72, "4": 24, "5": 6.4, "6": 2.4, "7": 0.93, "8": 0.46, "9": 0.29, "10": 0.31,
    "11": 0.17, "12": 0.17, "13": 0.07, "14": 0.09, "15": 0.08, "18": 0.05, "20": 0.05, "26": 0.03, "42": 0.01,
    "59": 0.005,
})  # fmt: skip
VEHICLE_TYPE = Table({
    "PASSENGER": 632, "SPORT UTILITY VEHICLE (SUV)": 132, "UNKNOWN/NA": 48, "VAN/MINI-VAN": 49.5, "PICKUP": 30.5,
    "TRUCK - SINGLE UNIT": 19.1, "OTHER": 11.5, "BUS OVER 15 PASS.": 10.6, "TRACTOR W/ SEMI-TRAILER": 9.6,
    "BUS UP TO 15 PASS.": 2.3, "MOTORCYCLE (OVER 150CC)": 2.26, "SINGLE UNIT TRUCK WITH TRAILER": 1.43,
    "OTHER VEHICLE WITH TRAILER": 1.29, "TRACTOR W/O SEMI-TRAILER": 1.28, "AUTOCYCLE": 0.52,
    "MOTOR DRIVEN CYCLE": 0.27, "MOPED OR MOTORIZED BICYCLE": 0.23, "ALL-TERRAIN VEHICLE (ATV)": 0.12,
    "FARM EQUIPMENT": 0.055, "3-WHEELED MOTORCYCLE (2 REAR WHEELS)": 0.03,
    "RECREATIONAL OFF-HIGHWAY VEHICLE (ROV)": 0.02, "SNOWMOBILE": 0.004,
})  # fmt: skip
VEHICLE_USE = Table({
    "PERSONAL": 655, "UNKNOWN/NA": 200, "NOT IN USE": 45, "OTHER": 31, "TAXI/FOR HIRE": 14.3,
    "COMMERCIAL - SINGLE UNIT": 12.6, "RIDESHARE SERVICE": 8.6, "CTA": 6.7, "POLICE": 6.5,
    "CONSTRUCTION/MAINTENANCE": 4.6, "COMMERCIAL - MULTI-UNIT": 4.1, "OTHER TRANSIT": 3.3, "SCHOOL BUS": 2.7,
    "TOW TRUCK": 1.9, "AMBULANCE": 1.2, "FIRE": 0.97, "STATE OWNED": 0.84, "DRIVER EDUCATION": 0.78,
    "MASS TRANSIT": 0.68, "LAWN CARE/LANDSCAPING": 0.38, "AGRICULTURE": 0.2, "CAMPER/RV - SINGLE UNIT": 0.1,
    "MILITARY": 0.1, "HOUSE TRAILER": 0.05, "CAMPER/RV - TOWED/MULTI-UNIT": 0.03,
})  # fmt: skip
TRUCK_USE = Table({
    "COMMERCIAL - SINGLE UNIT": 300, "COMMERCIAL - MULTI-UNIT": 200, "PERSONAL": 120, "OTHER": 120,
    "UNKNOWN/NA": 130, "CONSTRUCTION/MAINTENANCE": 90, "TOW TRUCK": 25, "FIRE": 15,
})  # fmt: skip
BUS_USE = Table({"CTA": 540, "OTHER TRANSIT": 140, "SCHOOL BUS": 160, "MASS TRANSIT": 60, "UNKNOWN/NA": 60,
                 "OTHER": 40})  # fmt: skip
_OTHER = "OTHER (EXPLAIN IN NARRATIVE)"
# make, model: share. The models of a make are the common ones; the rest is "other".
MODELS: dict[tuple[str, str], float] = {
    ("CHEVROLET", _OTHER): 30, ("CHEVROLET", "IMPALA"): 15.4, ("CHEVROLET", "MALIBU (CHEVELLE)"): 11.9,
    ("CHEVROLET", "EQUINOX"): 10.8, ("CHEVROLET", "CRUZE"): 8.9, ("CHEVROLET", "TAHOE"): 7, ("CHEVROLET", "TRAX"): 4,
    ("CHEVROLET", "SILVERADO"): 7, ("CHEVROLET", "TRAVERSE"): 5, ("CHEVROLET", "EXPRESS"): 5, ("CHEVROLET",
    "COBALT"): 4,
    ("UNKNOWN", "UNKNOWN"): 20, ("UNKNOWN", "MOTORIZED"): 5,
    ("FORD", "EXPLORER"): 10.6, ("FORD", "FUSION"): 10.6, ("FORD", "ESCAPE"): 9, ("FORD", "FOCUS"): 8, ("FORD",
    _OTHER): 20,
    ("FORD", "F150"): 9, ("FORD", "ECONOLINE"): 6, ("FORD", "TAURUS"): 7, ("FORD", "MUSTANG"): 4, ("FORD",
    "TRANSIT"): 5,
    ("NISSAN", "NISSAN ALTIMA"): 14.6, ("NISSAN", "ROGUE"): 11.8, ("NISSAN", "MURANO"): 7, ("NISSAN", _OTHER): 15,
    ("NISSAN", "SENTRA (DATSUN AND NISSAN HAVE MERGED)"): 9.2, ("NISSAN", "MAXIMA"): 8, ("NISSAN", "VERSA"): 7,
    ("TOYOTA", "CAMRY"): 32.5, ("TOYOTA", "COROLLA"): 19.9, ("TOYOTA", "RAV4"): 12, ("TOYOTA", "PRIUS"): 8,
    ("TOYOTA", "HIGHLANDER"): 6, ("TOYOTA", "SIENNA"): 7, ("TOYOTA", _OTHER): 16,
    ("HONDA", "CIVIC"): 19.1, ("HONDA", "ACCORD"): 17.4, ("HONDA", "CR-V"): 10, ("HONDA", "ODYSSEY"): 7, ("HONDA",
    "PILOT"): 5,
    ("HONDA", _OTHER): 12, ("DODGE", "CARAVAN"): 8.1, ("DODGE", "CHARGER"): 8, ("DODGE", "JOURNEY"): 5, ("DODGE",
    "DURANGO"): 5,
    ("DODGE", _OTHER): 18, ("HYUNDAI", "ELANTRA"): 11.7, ("HYUNDAI", "SONATA"): 11.2, ("HYUNDAI", "SANTA FE"): 6,
    ("HYUNDAI", _OTHER): 12, ("JEEP", "CHEROKEE"): 9.6, ("JEEP", "GRAND CHEROKEE"): 9, ("JEEP", "WRANGLER"): 5,
    ("JEEP", "PATRIOT"): 5, ("JEEP", _OTHER): 11, ("CHRYSLER", "300"): 6, ("CHRYSLER", "200"): 5,
    ("CHRYSLER", "TOWN & COUNTRY"): 5, ("CHRYSLER", _OTHER): 4, ("VOLKSWAGEN", "JETTA"): 9, ("VOLKSWAGEN", "PASSAT"): 4,
    ("VOLKSWAGEN", _OTHER): 6, ("BUICK", "LACROSSE"): 5, ("BUICK", "LESABRE"): 4, ("BUICK", _OTHER): 8,
    ("LEXUS", "RX350"): 5, ("LEXUS", "ES350"): 4, ("LEXUS", _OTHER): 6, ("KIA MOTORS CORP", "OPTIMA"): 4,
    ("KIA MOTORS CORP", "SOUL"): 4, ("KIA MOTORS CORP", "FORTE"): 3, ("KIA MOTORS CORP", _OTHER): 6, ("KIA",
    "SORENTO"): 4,
    ("KIA", _OTHER): 5, ("MERCEDES-BENZ", _OTHER): 13.6, ("BMW", "BMW 300 SERIES"): 6, ("BMW", _OTHER): 7,
    ("MAZDA", "MAZDA3"): 6, ("MAZDA", "CX-5"): 3, ("MAZDA", _OTHER): 4, ("CADILLAC", "DEVILLE"): 4, ("CADILLAC",
    _OTHER): 7,
    ("PONTIAC", "GRAND PRIX"): 5, ("PONTIAC", "G6"): 4, ("PONTIAC", _OTHER): 2, ("SUBARU", "FORESTER"): 4,
    ("SUBARU", "OUTBACK"): 4, ("SUBARU", _OTHER): 5, ("GENERAL MOTORS CORPORATION (GMC)", "TERRAIN"): 6,
    ("GENERAL MOTORS CORPORATION (GMC)", _OTHER): 14, ("ACURA", "TL"): 4, ("ACURA", _OTHER): 7, ("INFINITI",
    _OTHER): 10,
    ("AUDI", _OTHER): 8, ("MITSUBISHI", "OUTLANDER"): 3, ("MITSUBISHI", _OTHER): 6, ("LINCOLN", _OTHER): 7,
    ("VOLVO", _OTHER): 8, ("SATURN", _OTHER): 6, ("MERCURY", _OTHER): 5, ("TESLA MOTORS", "MODEL 3"): 3,
    ("FREIGHTLINER CORPORATION", _OTHER): 8, ("INTERNATIONAL HARVESTER", _OTHER): 6, ("NEW FLYER", _OTHER): 4,
    ("HARLEY-DAVIDSON", "HARLEY DAVIDSON"): 1, ("OTHER (EXPLAIN IN NARRATIVE)", _OTHER): 8, ("RAM", "RAM 1500"): 5,
}  # fmt: skip
PLATE_STATE = Table({
    None: 68, "IL": 814, "XX": 21.4, "IN": 17.5, "WI": 5.6, "MI": 3.8, "FL": 2.8, "TX": 2.7, "OH": 2.2, "AZ": 2.0,
    "IA": 1.7, "MN": 1.6, "MO": 1.5, "CA": 1.4, "TN": 1.3, "GA": 1.1, "OK": 0.84, "PA": 0.7, "NY": 0.65, "VA": 0.6,
    "KY": 0.6, "NC": 0.5, "NJ": 0.5, "CO": 0.4, "AL": 0.3, "MD": 0.3, "LA": 0.3, "NE": 0.3, "KS": 0.25, "WA": 0.25,
})  # fmt: skip
VEHICLE_DEFECT = Table({
    "NONE": 565, "UNKNOWN": 425, "OTHER": 4.9, "BRAKES": 3.3, "TIRES": 0.5, "STEERING": 0.47, "WHEELS": 0.26,
    "SUSPENSION": 0.18, "ENGINE/MOTOR": 0.13, "FUEL SYSTEM": 0.11, "LIGHTS": 0.07, "WINDOWS": 0.06, "CARGO": 0.03,
    "SIGNALS": 0.025, "TRAILER COUPLING": 0.014, "RESTRAINT SYSTEM": 0.014, "EXHAUST": 0.014,
})  # fmt: skip
DIRECTION = Table({
    "N": 235.6, "S": 230.7, "W": 209, "E": 204.3, "UNKNOWN": 77.7, "SE": 12.6, "NW": 11.4, "SW": 9.4, "NE": 9.4,
})  # fmt: skip
MANEUVER = Table({  # of moving vehicles
    "STRAIGHT AHEAD": 552, "UNKNOWN/NA": 93, "SLOW/STOP IN TRAFFIC": 94, "TURNING LEFT": 71, "BACKING": 50,
    "TURNING RIGHT": 40, "PASSING/OVERTAKING": 29, "CHANGING LANES": 23.7, "OTHER": 20, "U-TURN": 6.8,
    "ENTERING TRAFFIC LANE FROM PARKING": 14.3, "MERGING": 8.4, "STARTING IN TRAFFIC": 7.3,
    "LEAVING TRAFFIC LANE TO PARK": 6, "AVOIDING VEHICLES/OBJECTS": 5.3, "SKIDDING/CONTROL LOSS": 5.2,
    "ENTER FROM DRIVE/ALLEY": 5, "PARKED IN TRAFFIC LANE": 3.6, "SLOW/STOP - LEFT TURN": 3, "DRIVING WRONG WAY": 2.3,
    "SLOW/STOP - RIGHT TURN": 2, "NEGOTIATING A CURVE": 1.8, "SLOW/STOP - LOAD/UNLOAD": 1.2, "TURNING ON RED": 0.8,
    "DIVERGING": 0.6, "DRIVERLESS": 0.6, "DISABLED": 0.2,
})  # fmt: skip
CONTACT = Table({
    "FRONT": 156, "OTHER": 111, "REAR-LEFT": 111, "UNKNOWN": 95, "REAR": 92, "FRONT-LEFT": 79, "FRONT-RIGHT": 70,
    "SIDE-RIGHT": 65, "TOTAL (ALL AREAS)": 63, "SIDE-LEFT": 61, "REAR-RIGHT": 39, "ROOF": 37, "UNDER CARRIAGE": 11,
    "NONE": 9, None: 8.4,
})  # fmt: skip
# The area that a first contact point touches; areas count clockwise from the front right.
AREA_OF = {
    "FRONT": "12", "FRONT-RIGHT": "01", "SIDE-RIGHT": "03", "REAR-RIGHT": "05", "REAR": "06", "REAR-LEFT": "07",
    "SIDE-LEFT": "09", "FRONT-LEFT": "11", "UNDER CARRIAGE": "00", "TOTAL (ALL AREAS)": "99",
}  # fmt: skip
AREAS = {  # share of units marked Y and N
    "00": (0.032, 0.0046), "01": (0.251, 0.0117), "02": (0.156, 0.0079), "03": (0.090, 0.0043),
    "04": (0.093, 0.0043), "05": (0.144, 0.0058), "06": (0.147, 0.0061), "07": (0.130, 0.0059),
    "08": (0.147, 0.0081), "09": (0.051, 0.0027), "10": (0.074, 0.0040), "11": (0.144, 0.0090),
    "12": (0.146, 0.0062), "99": (0.105, 0.0041),
}  # fmt: skip
TOWED_BY = Table({
    "PRIVATE TOW": 95.7, "PRIVATE": 89.9, "private": 72.2, "CITY OF CHICAGO": 70.7, "private tow": 56.6,
    "UNKNOWN": 48.8,
    "city of chicago": 44.2, "unk": 29.5, "UNK": 29.3, "OWNER": 28.7, "unknown": 26.5, "owner": 25.9,
    "PERSONAL TOW": 15.4, "STREETS AND SANITATION": 14, "PERSONAL": 10.4, "CPD": 8.4, "personal tow": 8.4,
    "streets and sanitation": 7.8, "E&R": 7.2, "personal": 6.7, "E&R TOWING": 6, "City of Chicago": 5.5,
    "Private": 5.2, "Private Tow": 4.8, "STREETS & SAN": 4.4, "PROGRESSIVE": 3, "state farm": 2.6, "ALLSTATE ": 2,
    "AAA": 4, "relative": 1.8, "FAMILY": 2, "CTA": 1.8, "E & R towing ": 1.6, "refused": 1, ".": 0.5, "N/A": 1.2,
    "dna": 0.8,
})  # fmt: skip
TOWED_TO = Table({
    "UNKNOWN": 95.6, "UNK": 55.4, "unknown": 54.5, "unk": 44.6, "PRIVATE": 13.9, "private": 11.9, "POUND 2": 7.1,
    "RESIDENCE": 6.5, "701 N SACRAMENTO": 6.2, "POUND 6": 5.8, "POUND": 5.5, "PRIVATE TOW": 5.3, "HOME": 4.8,
    "CITY POUND": 4.7, "POUND 1": 4.3, "DOTY": 4.2, "residence": 4.2, "pound 2": 4, "pound": 3.9, "home": 3.9,
    "10300 S Doty": 3, "Pound #6 ": 2.4, "Unknown": 6, "BODY SHOP": 3, "repair shop ": 2, "`": 0.2, "103RD/DOTY": 3,
})  # fmt: skip
